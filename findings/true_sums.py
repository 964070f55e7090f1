"""What the sums of the findings must be, counted from nothing: which are wrong, and repairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from django.db import connection, models

from findings.models import AccountSum, Entity, EntitySum, Mention, PeriodSum

# The keys of sums.
PERIOD = ("is_day", "begin", "finding_type", "severity", "action")
ENTITY = ("entity_id", "day", "finding_type")

# By table: its columns, and a query for what they must be.
EXPECTED = {
    PeriodSum: (
        [*PERIOD, "findings"],
        "SELECT false, {hour}, finding_type, severity, action, count(*) FROM findings_finding"
        " GROUP BY 1, 2, 3, 4, 5 UNION ALL"
        " SELECT true, {midnight}, finding_type, severity, action, count(*) FROM findings_finding"
        " GROUP BY 1, 2, 3, 4, 5",
    ),
    AccountSum: (
        ["account_id", "findings"],
        "SELECT account_id, count(*) FROM findings_finding GROUP BY account_id",
    ),
    EntitySum: (
        [*ENTITY, "findings"],
        "SELECT entity_id, {day}, finding_type, count(DISTINCT f.id) FROM findings_mention m"
        " JOIN findings_finding f ON f.id = m.finding_id GROUP BY 1, 2, 3",
    ),
    Entity: (
        ["id", "findings", "acted", "types", "last_seen_at"],
        "SELECT e.id, count(DISTINCT f.id), count(DISTINCT CASE WHEN is_actor THEN f.id END),"
        " count(DISTINCT finding_type), max(f.seen_at) FROM findings_entity e"
        " LEFT JOIN findings_mention m ON m.entity_id = e.id"
        " LEFT JOIN findings_finding f ON f.id = m.finding_id GROUP BY e.id",
    ),
    Mention: (
        ["id", "seen_at"],
        "SELECT m.id, f.seen_at FROM findings_mention m"
        " JOIN findings_finding f ON f.id = m.finding_id",
    ),
}
_IN_PLACE = {Entity, Mention}  # their rows are more than sums
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


def _expected() -> Iterator[tuple[type[models.Model], str, list[str], str]]:
    for model, (columns, query) in EXPECTED.items():
        yield model, model._meta.db_table, columns, query.format(**_UTC[connection.vendor])


def wrong() -> dict[str, int]:
    """Returns how many sums of each kind are wrong."""
    wrong = {}
    with connection.cursor() as cursor:
        for model, table, columns, query in _expected():
            names = ", ".join(columns)
            only = "" if model in _IN_PLACE else " WHERE findings <> 0"
            # In one statement, so that findings that arrive meanwhile are in both or in neither.
            cursor.execute(
                f"WITH expected AS ({query}), stored AS (SELECT {names} FROM {table}{only})"  # noqa: S608
                " SELECT (SELECT count(*) FROM (SELECT * FROM expected EXCEPT SELECT * FROM stored)"
                " AS missing), (SELECT count(*) FROM (SELECT * FROM stored EXCEPT SELECT * FROM"
                " expected) AS surplus)"
            )
            wrong[kind(model)] = max(cursor.fetchone())
    return wrong


def kind(model: type[models.Model]) -> str:
    """Returns the name of a kind of sums."""
    return str(model._meta.verbose_name_plural)


def repairs(wrong: Mapping[str, int]) -> Iterator[str]:
    """Yields the statements that repair the kinds of which some are wrong."""
    for model, table, columns, query in _expected():
        if not wrong[kind(model)]:
            continue
        names = ", ".join(columns)
        if model not in _IN_PLACE:
            yield f"DELETE FROM {table}"  # noqa: S608  (trusted names)
            yield f"INSERT INTO {table} ({names}) {query}"
            continue
        key, *counted = columns
        differs = " OR ".join(f"{table}.{name} IS DISTINCT FROM e.{name}" for name in counted)
        yield (
            f"WITH expected ({names}) AS ({query})"  # noqa: S608
            f" UPDATE {table} SET {', '.join(f'{name} = e.{name}' for name in counted)}"
            f" FROM expected e WHERE e.{key} = {table}.{key} AND ({differs})"
        )
