from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("panel", "0010_cancel_orders_without_price")]

    operations = [
        migrations.AddField(
            model_name="outgoingmail",
            name="calendar",
            field=models.TextField(blank=True, db_default="", default=""),
        )
    ]
