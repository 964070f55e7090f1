from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("panel", "0011_mail_with_calendar_entries")]

    operations = [
        migrations.AlterModelOptions(
            name="outgoingmail",
            options={"default_permissions": ("view",), "verbose_name": "email"},
        )
    ]
