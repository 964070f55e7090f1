from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

from storage.triggers import AppendOnly


class Migration(migrations.Migration):
    dependencies = [
        ("panel", "0006_teams"),
    ]

    operations = [
        migrations.CreateModel(
            name="Counter",
            fields=[
                ("name", models.CharField(max_length=20, primary_key=True, serialize=False)),
                ("last", models.PositiveIntegerField(default=0)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Invoice",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("sequence", models.PositiveIntegerField(unique=True)),
                ("issued_at", models.DateTimeField()),
                ("seller", models.TextField()),
                ("buyer", models.TextField()),
                ("purchase_order", models.CharField(blank=True, max_length=50)),
                ("item", models.CharField(max_length=200)),
                ("currency", models.CharField(max_length=3)),
                ("net", models.BigIntegerField()),
                ("tax", models.BigIntegerField()),
                ("tax_label", models.CharField(blank=True, max_length=60)),
                ("tax_note", models.CharField(blank=True, max_length=200)),
                ("bank_details", models.TextField(blank=True)),
            ],
            options={
                "default_permissions": ("view",),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="OutgoingMail",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("to", models.EmailField(max_length=254)),
                ("subject", models.CharField(max_length=200)),
                ("body", models.TextField()),
                ("written_at", models.DateTimeField()),
                ("claimed_at", models.DateTimeField(null=True)),
                ("sent_at", models.DateTimeField(null=True, verbose_name="sent")),
            ],
            options={
                "verbose_name": "e-mail",
                "default_permissions": ("view",),
            },
        ),
        migrations.AddField(
            model_name="order",
            name="cancelled_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="order",
            name="city",
            field=models.CharField(blank=True, db_default="", default="", max_length=100),
        ),
        migrations.AddField(
            model_name="order",
            name="company",
            field=models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
        migrations.AddField(
            model_name="order",
            name="country",
            field=models.CharField(blank=True, db_default="", default="", max_length=2),
        ),
        migrations.AddField(
            model_name="order",
            name="currency",
            field=models.CharField(blank=True, db_default="", default="", max_length=3),
        ),
        migrations.AddField(
            model_name="order",
            name="net",
            field=models.PositiveBigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="order",
            name="postal_code",
            field=models.CharField(blank=True, db_default="", default="", max_length=20),
        ),
        migrations.AddField(
            model_name="order",
            name="purchase_order",
            field=models.CharField(blank=True, db_default="", default="", max_length=50),
        ),
        migrations.AddField(
            model_name="order",
            name="street",
            field=models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
        migrations.AddField(
            model_name="order",
            name="tax",
            field=models.PositiveBigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="order",
            name="tax_label",
            field=models.CharField(blank=True, db_default="", default="", max_length=60),
        ),
        migrations.AddField(
            model_name="order",
            name="tax_note",
            field=models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
        migrations.AddField(
            model_name="order",
            name="vat_id",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=30, verbose_name="VAT ID"
            ),
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
                    ("cancelled", "order cancelled"),
                    ("unpaid", "payment undone"),
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
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(("paid_at", None), ("cancelled_at", None), _connector="OR"),
                name="order_paid_or_cancelled",
            ),
        ),
        migrations.AddField(
            model_name="invoice",
            name="cancels",
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="credit_note",
                to="panel.invoice",
            ),
        ),
        migrations.AddField(
            model_name="invoice",
            name="order",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="panel.order"),
        ),
        migrations.AddField(
            model_name="outgoingmail",
            name="invoice",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, to="panel.invoice"
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.UniqueConstraint(
                condition=models.Q(("cancels", None)),
                fields=("order",),
                name="one_invoice_of_an_order",
            ),
        ),
        AppendOnly("panel_invoice"),
    ]
