from __future__ import annotations

from typing import Any

from django.db import migrations, transaction
from django.db.models import Max, Min

from storage.locks import advisory_lock

BATCH = 5_000  # entities in one statement, for which ingestion waits


def fill(apps: Any, schema_editor: Any) -> None:
    """Store when stored entities were last seen. Can be killed and repeated."""
    ends = apps.get_model("findings", "Entity").objects.aggregate(first=Min("pk"), last=Max("pk"))
    for first in range(ends["first"] or 1, (ends["last"] or 0) + 1, BATCH):
        with transaction.atomic(), schema_editor.connection.cursor() as cursor:
            # Workers hold it while they change entities. So neither deadlocks with the other.
            advisory_lock("sums of findings")
            cursor.execute(
                "UPDATE findings_entity SET last_seen_at = (SELECT max(m.seen_at)"
                " FROM findings_mention m WHERE m.entity_id = findings_entity.id)"
                " WHERE last_seen_at IS NULL AND id >= %s AND id < %s",
                [first, first + BATCH],
            )


class Migration(migrations.Migration):
    atomic = False  # each batch locks its entities only until it is done

    dependencies = [("findings", "0018_last_seen")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
