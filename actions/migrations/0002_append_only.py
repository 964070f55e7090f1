from __future__ import annotations

from django.db import migrations

from storage.triggers import AppendOnly, FixedColumns


class Migration(migrations.Migration):
    dependencies = [
        ("actions", "0001_reactions"),
    ]

    operations = [
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
            ],
        ),
    ]
