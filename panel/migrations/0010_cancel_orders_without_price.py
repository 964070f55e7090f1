from __future__ import annotations

from typing import Any

from django.db import migrations
from django.utils import timezone


def cancel(apps: Any, schema_editor: Any) -> None:
    """Cancels unpaid orders from before prices: nobody knows what their customers agreed to."""
    Order = apps.get_model("panel", "Order")
    Order.objects.filter(paid_at=None, currency="").update(cancelled_at=timezone.now())


class Migration(migrations.Migration):
    dependencies = [("panel", "0009_staff_see_invoices")]

    operations = [migrations.RunPython(cancel, migrations.RunPython.noop)]
