from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.db import migrations, models

from storage.triggers import AppendOnly


def let_staff_approve(apps: Any, schema_editor: Any) -> None:
    # Django creates permissions only after the last migration, and then finds this one by codename.
    ContentType = apps.get_model("contenttypes", "ContentType")
    content_type, _ = ContentType.objects.get_or_create(app_label="panel", model="customer")
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=content_type,
        codename="approve_account_customer",
        defaults={"name": "Can approve AWS accounts of customers"},
    )
    staff, _ = apps.get_model("auth", "Group").objects.get_or_create(name="licensing staff")
    staff.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("panel", "0004_append_only"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="customer",
            options={
                "default_permissions": ("view",),
                "permissions": [
                    ("suspend_customer", "Can suspend and reinstate customers"),
                    ("approve_account_customer", "Can approve AWS accounts of customers"),
                ],
            },
        ),
        migrations.AlterField(
            model_name="act",
            name="kind",
            field=models.CharField(
                choices=[
                    ("issued", "license issued"),
                    ("ordered", "order placed"),
                    ("paid", "order paid"),
                    ("replaced", "license replaced"),
                    ("revoked", "license revoked"),
                    ("suspended", "customer suspended"),
                    ("reinstated", "customer reinstated"),
                    ("proven", "AWS account proven"),
                    ("approved", "AWS account approved"),
                ],
                max_length=10,
                verbose_name="what",
            ),
        ),
        migrations.CreateModel(
            name="AccountProof",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("aws_account_id", models.CharField(max_length=12, verbose_name="AWS account")),
                ("challenge", models.CharField(max_length=200, null=True, unique=True)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="panel.customer"
                    ),
                ),
            ],
            options={"default_permissions": (), "base_manager_name": "objects"},
        ),
        AppendOnly("panel_accountproof"),
        migrations.RunPython(let_staff_approve, migrations.RunPython.noop),
    ]
