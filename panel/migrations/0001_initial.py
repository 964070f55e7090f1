from __future__ import annotations

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Customer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        blank=True,
                        help_text="Shown in the licenses that are issued from now on.",
                        max_length=200,
                    ),
                ),
                (
                    "is_suspended",
                    models.BooleanField(default=False, editable=False, verbose_name="suspended"),
                ),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "permissions": [("suspend_customer", "Can suspend and reinstate customers")],
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="Order",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "aws_account_id",
                    models.CharField(
                        max_length=12,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[0-9]{12}\\Z", "An AWS account id is 12 digits."
                            )
                        ],
                        verbose_name="AWS account",
                    ),
                ),
                (
                    "months",
                    models.PositiveSmallIntegerField(
                        choices=[(1, "1 month"), (12, "12 months")], default=12, verbose_name="term"
                    ),
                ),
                ("placed_at", models.DateTimeField()),
                ("paid_at", models.DateTimeField(null=True)),
                (
                    "paid_by",
                    models.CharField(
                        blank=True,
                        choices=[("invoice", "invoice"), ("stripe", "Stripe")],
                        max_length=7,
                        verbose_name="paid by",
                    ),
                ),
                ("stripe_session", models.CharField(max_length=255, null=True, unique=True)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="panel.customer"
                    ),
                ),
            ],
            options={
                "permissions": [("mark_paid_order", "Can mark orders paid")],
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="IssuedLicense",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.TextField()),
                ("jti", models.CharField(max_length=200, unique=True, verbose_name="license id")),
                (
                    "aws_account_id",
                    models.CharField(db_index=True, max_length=12, verbose_name="AWS account"),
                ),
                (
                    "plan",
                    models.CharField(choices=[("trial", "Trial"), ("paid", "Paid")], max_length=5),
                ),
                ("issued_at", models.DateTimeField()),
                ("not_before", models.DateTimeField(verbose_name="from")),
                ("expires_at", models.DateTimeField(verbose_name="until")),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="panel.customer"
                    ),
                ),
                (
                    "replaces",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="replacement",
                        to="panel.issuedlicense",
                    ),
                ),
                (
                    "order",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="license",
                        to="panel.order",
                    ),
                ),
            ],
            options={
                "verbose_name": "license",
                "permissions": [
                    ("revoke_issuedlicense", "Can revoke licenses"),
                    ("replace_issuedlicense", "Can replace licenses"),
                ],
                "default_permissions": ("view",),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Act",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("issued", "license issued"),
                            ("ordered", "order placed"),
                            ("paid", "order paid"),
                            ("replaced", "license replaced"),
                            ("revoked", "license revoked"),
                            ("suspended", "customer suspended"),
                            ("reinstated", "customer reinstated"),
                        ],
                        max_length=10,
                        verbose_name="what",
                    ),
                ),
                ("why", models.TextField(blank=True)),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="panel.customer"
                    ),
                ),
                (
                    "license",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="panel.issuedlicense",
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, to="panel.order"
                    ),
                ),
            ],
            options={
                "verbose_name": "journal entry",
                "verbose_name_plural": "journal entries",
                "default_permissions": ("view",),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Reminder",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("days_before", models.PositiveSmallIntegerField()),
                ("sent_at", models.DateTimeField()),
                (
                    "license",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="panel.issuedlicense"
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Revocation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("revoked_at", models.DateTimeField()),
                (
                    "license",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, to="panel.issuedlicense"
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(("months__in", (1, 12))), name="order_of_a_known_term"
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("paid_at", None), ("paid_by", "")),
                    models.Q(("paid_at__isnull", False), models.Q(("paid_by", ""), _negated=True)),
                    _connector="OR",
                ),
                name="order_paid_by_something",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.UniqueConstraint(
                condition=models.Q(("paid_at", None)),
                fields=("customer", "aws_account_id", "months"),
                name="one_open_order_of_a_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="issuedlicense",
            constraint=models.UniqueConstraint(
                condition=models.Q(("plan", "trial"), ("replaces", None)),
                fields=("aws_account_id",),
                name="one_trial_per_aws_account_ever",
            ),
        ),
        migrations.AddConstraint(
            model_name="reminder",
            constraint=models.UniqueConstraint(
                fields=("license", "days_before"), name="each_reminder_once"
            ),
        ),
    ]
