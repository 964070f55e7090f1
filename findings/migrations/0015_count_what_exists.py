from __future__ import annotations

from typing import Any

from django.db import migrations, transaction
from django.db.models import Max, Min

BATCH = 50_000  # mentions in one statement
_UTC = {
    "sqlite": {
        "hour": "substr(seen_at, 1, 13) || ':00:00'",
        "midnight": "substr(seen_at, 1, 10) || ' 00:00:00'",
        "day": "substr(f.seen_at, 1, 10)",
    },
    "postgresql": {
        "hour": "date_trunc('hour', seen_at, 'UTC')",
        "midnight": "date_trunc('day', seen_at, 'UTC')",
        "day": "(f.seen_at AT TIME ZONE 'UTC')::date",
    },
}
_PERIODS = (
    "INSERT INTO findings_periodsum (is_day, begin, finding_type, severity, action, findings)"
    " SELECT {is_day}, {begin}, finding_type, severity, action, count(*) FROM findings_finding"
    " GROUP BY 1, 2, 3, 4, 5"
)
_SUMS = (
    "DELETE FROM findings_periodsum",
    _PERIODS.format(is_day="false", begin="{hour}"),
    _PERIODS.format(is_day="true", begin="{midnight}"),
    "DELETE FROM findings_accountsum",
    "INSERT INTO findings_accountsum (account_id, findings)"
    " SELECT account_id, count(*) FROM findings_finding GROUP BY account_id",
    "DELETE FROM findings_entitysum",
    "INSERT INTO findings_entitysum (entity_id, day, finding_type, findings)"
    " SELECT entity_id, {day}, finding_type, count(DISTINCT f.id) FROM findings_mention m"
    " JOIN findings_finding f ON f.id = m.finding_id GROUP BY 1, 2, 3",
    "WITH counted AS (SELECT entity_id, count(DISTINCT f.id) AS findings,"
    " count(DISTINCT CASE WHEN is_actor THEN f.id END) AS acted,"
    " count(DISTINCT finding_type) AS types FROM findings_mention m"
    " JOIN findings_finding f ON f.id = m.finding_id GROUP BY entity_id)"
    " UPDATE findings_entity SET findings = c.findings, acted = c.acted, types = c.types"
    " FROM counted c WHERE c.entity_id = findings_entity.id",
)


def count(apps: Any, schema_editor: Any) -> None:
    """Counts the stored findings. Can be killed and repeated."""
    connection = schema_editor.connection
    mentions = apps.get_model("findings", "Mention").objects
    ends = mentions.aggregate(first=Min("pk"), last=Max("pk"))
    with connection.cursor() as cursor:
        for first in range(ends["first"] or 1, (ends["last"] or 0) + 1, BATCH):
            cursor.execute(
                "UPDATE findings_mention SET seen_at = (SELECT f.seen_at FROM findings_finding f"
                " WHERE f.id = findings_mention.finding_id)"
                " WHERE seen_at IS NULL AND id >= %s AND id < %s",
                [first, first + BATCH],
            )
        with transaction.atomic(using=connection.alias):
            for statement in _SUMS:
                cursor.execute(statement.format(**_UTC[connection.vendor]))


class Migration(migrations.Migration):
    atomic = False  # each batch locks its mentions only until it is done

    dependencies = [("findings", "0014_sums")]

    operations = [migrations.RunPython(count, migrations.RunPython.noop)]
