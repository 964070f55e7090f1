from __future__ import annotations

from django.db import migrations, models

from storage.indexes import AddIndexBesideWrites


class Migration(migrations.Migration):
    atomic = False  # see AddIndexBesideWrites

    dependencies = [("findings", "0019_fill_last_seen")]

    operations = [
        AddIndexBesideWrites(
            model_name="entity",
            index=models.Index(
                fields=["kind", "-findings", "name", "id"], name="entity_most_findings_of_kind"
            ),
        ),
        AddIndexBesideWrites(
            model_name="entity",
            index=models.Index(fields=["-last_seen_at", "-id"], name="entity_last_seen"),
        ),
        AddIndexBesideWrites(
            model_name="entity",
            index=models.Index(
                fields=["kind", "-last_seen_at", "-id"], name="entity_last_seen_of_kind"
            ),
        ),
        AddIndexBesideWrites(
            model_name="entity",
            index=models.Index(fields=["name", "id"], name="entity_in_order_of_name"),
        ),
    ]
