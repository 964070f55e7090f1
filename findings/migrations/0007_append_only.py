from __future__ import annotations

from django.db import migrations

from storage.triggers import AppendOnly


class Migration(migrations.Migration):
    dependencies = [
        ("findings", "0006_policy_change_by_command"),
    ]

    operations = [
        AppendOnly("findings_policychange"),
    ]
