"""Random IDs of messages, and the retention of messages and their tries."""

from django.db import migrations, models

import notifications.models
from storage.triggers import AppendOnly, Retained


class Migration(migrations.Migration):
    dependencies = [("notifications", "0002_append_only")]

    operations = [
        migrations.AddField(
            model_name="delivery",
            name="message_id",
            field=models.CharField(
                db_default="", default=notifications.models.new_message_id, max_length=40
            ),
        ),
        AppendOnly("notifications_deliveryattempt", retained=Retained("at")),
    ]
