from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """The finding type and the account of an action, for filters."""

    dependencies = [("actions", "0014_deny")]

    operations = [
        # With null, SQLite adds them without a copy of the table, and keeps its triggers.
        migrations.AddField(
            "reaction", "finding_type", models.CharField(blank=True, max_length=200, null=True)
        ),
        migrations.AddField(
            "reaction", "finding_account_id", models.CharField(blank=True, max_length=64, null=True)
        ),
    ]
