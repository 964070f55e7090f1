from __future__ import annotations

from django.db import migrations

from storage.triggers import AppendOnly, FixedColumns


class Migration(migrations.Migration):
    dependencies = [
        ("actions", "0008_name_accounts_of_credentials"),
    ]

    operations = [
        AppendOnly("actions_memory"),
        # On SQLite, the new column drops the triggers.
        AppendOnly("actions_attempt"),
        AppendOnly("actions_verdict"),
        FixedColumns(
            "actions_reaction",
            [
                "id",
                "finding_id",
                "kind",
                "target_kind",
                "target",
                "account_id",
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
