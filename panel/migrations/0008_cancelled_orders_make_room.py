from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("panel", "0007_orders_and_invoices")]

    operations = [
        migrations.RemoveConstraint(
            model_name="order",
            name="one_open_order_of_a_kind",
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.UniqueConstraint(
                condition=models.Q(("cancelled_at", None), ("paid_at", None)),
                fields=("customer", "aws_account_id", "months"),
                name="one_open_order_of_a_kind",
            ),
        ),
    ]
