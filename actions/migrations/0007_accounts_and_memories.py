from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


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
    ]
