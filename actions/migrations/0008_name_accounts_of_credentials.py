from __future__ import annotations

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import OuterRef, Subquery


def name_the_account_of_each_credential(
    apps: Apps, schema_editor: BaseDatabaseSchemaEditor
) -> None:
    """Until now, credentials were revoked only in the account of the portal."""
    reaction, finding = apps.get_model("actions", "Reaction"), apps.get_model("findings", "Finding")
    account = finding.objects.filter(pk=OuterRef("finding_id")).values("account_id")
    reaction.objects.filter(kind="REVOKE", finding__isnull=False).update(
        account_id=Subquery(account)
    )


class Migration(migrations.Migration):
    dependencies = [
        ("actions", "0007_accounts_and_memories"),
    ]

    operations = [
        migrations.RunPython(name_the_account_of_each_credential, migrations.RunPython.noop),
    ]
