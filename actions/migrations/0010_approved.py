from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """An approved action is final: the approval adds the action that is carried out."""

    dependencies = [
        ("actions", "0009_append_only"),
    ]

    operations = [
        # Choices are not in the database, so this copies no table and keeps the triggers.
        migrations.AlterField(
            "reaction",
            "state",
            models.CharField(
                choices=[
                    ("pending", "Pending"),
                    ("done", "Done"),
                    ("failed", "Failed"),
                    ("dry run", "Dry run"),
                    ("prevented", "Prevented"),
                    ("waiting", "Waiting"),
                    ("approved", "Approved"),
                ],
                max_length=16,
            ),
        ),
    ]
