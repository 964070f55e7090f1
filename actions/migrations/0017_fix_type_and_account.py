from __future__ import annotations

from django.db import migrations

from storage.triggers import FixedColumns, Retained


class Migration(migrations.Migration):
    """The finding type and the account of an action do not change."""

    dependencies = [("actions", "0016_fill_type_and_account")]

    operations = [
        FixedColumns(
            "actions_reaction",
            [
                "id",
                "finding_id",
                "finding_type",
                "finding_account_id",
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
            retained=Retained("settled_at", {"state": ["pending", "waiting"]}, ["lifts_at"]),
        ),
    ]
