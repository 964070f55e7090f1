from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("findings", "0015_count_what_exists")]

    operations = [
        migrations.AlterField(
            model_name="mention",
            name="entity",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, to="findings.entity"
            ),
        ),
        migrations.AlterField(
            model_name="mention",
            name="finding",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, to="findings.finding"
            ),
        ),
        migrations.AddIndex(
            model_name="entity",
            index=models.Index(
                fields=["-types", "-findings", "name", "id"], name="entity_most_types"
            ),
        ),
        migrations.AddIndex(
            model_name="entity",
            index=models.Index(
                fields=["kind", "-types", "-findings", "name", "id"],
                name="entity_most_types_of_kind",
            ),
        ),
        migrations.AddIndex(
            model_name="entity",
            index=models.Index(fields=["-findings", "name", "id"], name="entity_most_findings"),
        ),
        migrations.AddIndex(
            model_name="mention",
            index=models.Index(
                fields=["entity", "-seen_at", "-finding"], name="mention_newest_of_entity"
            ),
        ),
    ]
