from __future__ import annotations

from django.db import migrations

from storage.triggers import AppendOnly, Retained


class Migration(migrations.Migration):
    """The trigger lets go what retention has archived."""

    dependencies = [
        ("findings", "0018_journal"),
        ("findings", "0020_index_last_seen"),
    ]

    operations = [
        AppendOnly("findings_triageentry", retained=Retained("at")),
    ]
