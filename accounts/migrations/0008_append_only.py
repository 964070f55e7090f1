from __future__ import annotations

from django.db import migrations

from storage.triggers import AppendOnly


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_more_security_events"),
    ]

    operations = [
        AppendOnly("accounts_securityevent"),
    ]
