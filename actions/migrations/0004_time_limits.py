from __future__ import annotations

from django.db import migrations, models

from storage.triggers import FixedColumns

ONCE = "a_finding_is_acted_on_once"


class Migration(migrations.Migration):
    """Blocks get an end. Those decided before have none, as it was decided."""

    dependencies = [
        ("actions", "0003_trace"),
    ]

    operations = [
        migrations.AddField("reaction", "ends_at", models.DateTimeField(null=True)),
        migrations.AddField("reaction", "lifts_at", models.DateTimeField(null=True)),
        migrations.AddIndex(
            "reaction",
            models.Index(
                condition=models.Q(("lifts_at__isnull", False)),
                fields=["lifts_at"],
                name="block_to_lift",
            ),
        ),
        migrations.RemoveConstraint("reaction", ONCE),
        migrations.AddConstraint(
            "reaction",
            models.UniqueConstraint(
                condition=models.Q(
                    ("requested_by_name", ""), models.Q(("kind", "UNBLOCK"), _negated=True)
                ),
                fields=("finding", "kind", "target_kind", "target"),
                name=ONCE,
            ),
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
            ],
        ),
    ]
