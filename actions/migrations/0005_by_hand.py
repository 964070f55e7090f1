from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

from storage.triggers import FixedColumns


class Migration(migrations.Migration):
    """A person can request an action, with a reason, also where no finding is."""

    dependencies = [
        ("actions", "0004_time_limits"),
        ("findings", "0007_append_only"),
    ]

    operations = [
        migrations.AddField(
            "reaction",
            "client_id",
            models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
        migrations.AddField(
            "reaction",
            "request_key",
            models.CharField(blank=True, db_default="", default="", max_length=500),
        ),
        migrations.AddField(
            "reaction",
            "request_digest",
            models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AlterField(
            "reaction",
            "finding",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="reactions",
                to="findings.finding",
            ),
        ),
        migrations.AddConstraint(
            "reaction",
            models.UniqueConstraint(
                condition=models.Q(("request_key", ""), _negated=True),
                fields=("request_key",),
                name="a_request_acts_once",
            ),
        ),
        migrations.AddConstraint(
            "reaction",
            models.CheckConstraint(
                condition=models.Q(
                    ("finding__isnull", False),
                    models.Q(("requested_by_name", ""), _negated=True),
                    ("kind", "UNBLOCK"),
                    _connector="OR",
                ),
                name="the_policy_acts_on_a_finding",
            ),
        ),
        migrations.AddField(
            "allowance",
            "reason",
            models.TextField(blank=True, db_default="", default=""),
        ),
        migrations.AddField("allowance", "ends_at", models.DateTimeField(null=True)),
        migrations.AlterField(
            "allowance", "finding_type", models.CharField(blank=True, max_length=100)
        ),
        # On SQLite, a constraint copies the table, without its triggers.
        FixedColumns(
            "actions_reaction",
            [
                "id",
                "finding_id",
                "kind",
                "target_kind",
                "target",
                "why",
                "decided_at",
                "requested_by_id",
                "requested_by_name",
                "trace",
                "client_id",
                "request_key",
                "request_digest",
            ],
        ),
    ]
