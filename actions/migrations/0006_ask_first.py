from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from storage.triggers import AppendOnly, FixedColumns

DUE = "pending_is_due_and_settled_is_not"


class Migration(migrations.Migration):
    """An action can wait until a person approves it."""

    dependencies = [
        ("actions", "0005_by_hand"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            "reaction",
            "state",
            models.CharField(
                choices=[
                    ("pending", "Pending"),
                    ("done", "Done"),
                    ("failed", "Failed"),
                    ("dry run", "Dry run"),
                    ("prevented", "Prevented"),
                    ("waiting", "Waiting"),
                ],
                max_length=16,
            ),
        ),
        migrations.RemoveConstraint("reaction", DUE),
        migrations.AddConstraint(
            "reaction",
            models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("due_at__isnull", False),
                        ("settled_at", None),
                        ("state__in", ["pending", "waiting"]),
                    ),
                    models.Q(
                        models.Q(("state__in", ["pending", "waiting"]), _negated=True),
                        ("due_at", None),
                        ("settled_at__isnull", False),
                    ),
                    _connector="OR",
                ),
                name=DUE,
            ),
        ),
        migrations.AddIndex(
            "reaction",
            models.Index(
                condition=models.Q(("state", "waiting")), fields=["due_at"], name="waiting"
            ),
        ),
        migrations.CreateModel(
            name="Verdict",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("approved", models.BooleanField()),
                ("by_name", models.CharField(max_length=200)),
                ("reason", models.TextField()),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "reaction",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="verdict",
                        to="actions.reaction",
                    ),
                ),
            ],
            options={"default_permissions": (), "base_manager_name": "objects"},
        ),
        AppendOnly("actions_verdict"),
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
