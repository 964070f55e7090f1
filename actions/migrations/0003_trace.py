from __future__ import annotations

from django.db import migrations, models

from storage.triggers import AppendOnly, FixedColumns


class Migration(migrations.Migration):
    dependencies = [
        ("actions", "0002_append_only"),
    ]

    operations = [
        migrations.AddField(
            model_name="reaction",
            name="trace",
            field=models.CharField(blank=True, db_default="", default="", max_length=128),
        ),
        # On SQLite, the new column drops the triggers.
        AppendOnly("actions_attempt"),
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
