from __future__ import annotations

from django.db import migrations

from storage.triggers import AppendOnly


class Migration(migrations.Migration):
    dependencies = [
        ("license", "0001_initial"),
    ]

    operations = [
        AppendOnly("license_license"),
        AppendOnly("license_seenrevocations"),
    ]
