from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """A bucket can have floors of its own, and keys that nobody should use."""

    dependencies = [("detectors", "0003_place_of_episodes")]

    operations = [
        migrations.AddField("bucket", "floors", models.JSONField(default=None, null=True)),
        migrations.AddField(
            "bucket", "canary_keys", models.TextField(blank=True, db_default="", default="")
        ),
        migrations.AlterField(
            "bucket",
            "allowed",
            models.TextField("allowed actors", blank=True, default=""),
        ),
    ]
