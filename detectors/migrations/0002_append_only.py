from __future__ import annotations

from django.db import migrations

from storage.triggers import AppendOnly


class Migration(migrations.Migration):
    dependencies = [
        ("detectors", "0001_buckets_and_sums"),
    ]

    operations = [
        AppendOnly("detectors_bucketchange"),
    ]
