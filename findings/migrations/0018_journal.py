from __future__ import annotations

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from storage import journal
from storage.triggers import AppendOnly


def chain(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    journal.chain_existing(apps.get_model("findings", "PolicyChange"), schema_editor)


class Migration(migrations.Migration):
    """Chain the lines of the log of policy changes by their SHA-256."""

    dependencies = [
        ("findings", "0017_simulate"),
    ]

    operations = [
        *(
            migrations.AddField(
                "policychange",
                name,
                models.CharField(
                    blank=True, db_default="", default="", editable=False, max_length=64
                ),
            )
            for name in ("previous_sha256", "sha256")
        ),
        migrations.RunPython(chain, migrations.RunPython.noop),
        # On SQLite, adding a column copies the table, without its triggers.
        AppendOnly("findings_policychange"),
    ]
