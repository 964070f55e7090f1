from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("findings", "0010_triage"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="entity", name="entity_by_name"),
        migrations.AddIndex(
            model_name="entity",
            index=models.Index(
                fields=["name"], name="entity_by_name", opclasses=["varchar_pattern_ops"]
            ),
        ),
    ]
