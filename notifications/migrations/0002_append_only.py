"""Makes the log of tries and the log of changes append-only in the database."""

from django.db import migrations

from storage.triggers import AppendOnly


class Migration(migrations.Migration):
    dependencies = [("notifications", "0001_rules_and_deliveries")]

    operations = [
        AppendOnly("notifications_deliveryattempt"),
        AppendOnly("notifications_notificationchange"),
    ]
