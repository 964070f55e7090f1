from __future__ import annotations

from django.db import migrations

from storage.triggers import AppendOnly


class Migration(migrations.Migration):
    dependencies = [
        ("panel", "0003_staff_group"),
    ]

    operations = [
        AppendOnly("panel_issuedlicense"),
        AppendOnly("panel_revocation"),
        AppendOnly("panel_act"),
        AppendOnly("panel_reminder"),
    ]
