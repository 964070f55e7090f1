from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

ROLES = [("owner", "Owner"), ("billing", "Billing"), ("technical", "Technical")]


def make_owners(apps: Any, schema_editor: Any) -> None:
    """Each customer is owned by the user who signed up."""
    Member = apps.get_model("panel", "Member")
    for customer in apps.get_model("panel", "Customer").objects.select_related("user").iterator():
        Member.objects.create(
            customer=customer,
            user=customer.user,
            role="owner",
            joined_at=customer.user.date_joined,
        )


def let_staff_make_owners(apps: Any, schema_editor: Any) -> None:
    # Django creates permissions only after the last migration, and then finds this one by codename.
    ContentType = apps.get_model("contenttypes", "ContentType")
    content_type, _ = ContentType.objects.get_or_create(app_label="panel", model="customer")
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=content_type,
        codename="make_owner_customer",
        defaults={"name": "Can make people owners of customers"},
    )
    staff, _ = apps.get_model("auth", "Group").objects.get_or_create(name="licensing staff")
    staff.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("panel", "0005_account_proofs"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="customer",
            options={
                "default_permissions": ("view",),
                "permissions": [
                    ("suspend_customer", "Can suspend and reinstate customers"),
                    ("approve_account_customer", "Can approve AWS accounts of customers"),
                    ("make_owner_customer", "Can make people owners of customers"),
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
                    ("invited", "person invited"),
                    ("withdrawn", "invitation withdrawn"),
                    ("joined", "person joined"),
                    ("role", "role changed"),
                    ("left", "person left"),
                ],
                max_length=10,
                verbose_name="what",
            ),
        ),
        migrations.CreateModel(
            name="Member",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("role", models.CharField(choices=ROLES, max_length=9)),
                ("joined_at", models.DateTimeField()),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="members",
                        to="panel.customer",
                    ),
                ),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="membership",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("email", models.EmailField(max_length=254, verbose_name="email")),
                ("role", models.CharField(choices=ROLES, max_length=9)),
                ("sent_at", models.DateTimeField()),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="invitations",
                        to="panel.customer",
                    ),
                ),
                (
                    "invited_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("customer", "email"), name="one_invitation_per_address"
                    )
                ],
            },
        ),
        migrations.RunPython(make_owners, migrations.RunPython.noop),
        migrations.RunPython(let_staff_make_owners, migrations.RunPython.noop),
    ]
