from __future__ import annotations

from typing import Any

from django.db import migrations
from django.db.models import Max, Min

BATCH = 20_000  # entities in one statement


def fill(apps: Any, schema_editor: Any) -> None:
    """Store when stored entities were last seen. Can be killed and repeated."""
    ends = apps.get_model("findings", "Entity").objects.aggregate(first=Min("pk"), last=Max("pk"))
    with schema_editor.connection.cursor() as cursor:
        for first in range(ends["first"] or 1, (ends["last"] or 0) + 1, BATCH):
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
