from __future__ import annotations

import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import OuterRef, Subquery

from storage.triggers import AppendOnly, FixedColumns


def name_the_account_of_each_credential(
    apps: Apps, schema_editor: BaseDatabaseSchemaEditor
) -> None:
    """Until now, credentials were revoked only in the account of the portal."""
    reaction, finding = apps.get_model("actions", "Reaction"), apps.get_model("findings", "Finding")
    account = finding.objects.filter(pk=OuterRef("finding_id")).values("account_id")
    reaction.objects.filter(kind="REVOKE").update(account_id=Subquery(account))


class Migration(migrations.Migration):
    dependencies = [
        ("actions", "0006_ask_first"),
    ]

    operations = [
        migrations.CreateModel(
            name="MemberRole",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("account_id", models.CharField(max_length=32, unique=True)),
                ("asked_at", models.DateTimeField(null=True)),
                ("tried_at", models.DateTimeField(null=True)),
                ("answered_at", models.DateTimeField(null=True)),
                ("problem", models.TextField(blank=True)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="reaction",
            name="account_id",
            field=models.CharField(blank=True, db_default="", default="", max_length=32),
        ),
        migrations.AlterField(
            model_name="reaction",
            name="kind",
            field=models.CharField(
                choices=[
                    ("BLOCK", "Block"),
                    ("UNBLOCK", "Unblock"),
                    ("REVOKE", "Revoke"),
                    ("ISOLATE", "Isolate"),
                    ("RESTORE", "Restore"),
                    ("SAVE", "Save"),
                    ("NOTIFY", "Notify"),
                    ("ARCHIVE", "Archive"),
                ],
                max_length=8,
                verbose_name="action",
            ),
        ),
        migrations.CreateModel(
            name="Memory",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("resource", models.CharField(max_length=512)),
                ("before", models.JSONField()),
                ("at", models.DateTimeField()),
                (
                    "reaction",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="memories",
                        to="actions.reaction",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "memories",
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.RunPython(name_the_account_of_each_credential, migrations.RunPython.noop),
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
