"""Inserts many rows without the overhead of the ORM."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, models


def insert(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    ignore_conflicts: bool = False,
) -> None:
    """Insert rows, each a sequence of values in the order of the column names in `columns`.

    Raises IntegrityError if a row violates a constraint. With `ignore_conflicts`, skips rows that
    violate a unique constraint. Does not send signals or call `save`.
    """
    table = connection.ops.quote_name(model._meta.db_table)
    names = ", ".join(map(connection.ops.quote_name, columns))
    marks = ", ".join(["%s"] * len(columns))
    sql = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608  (trusted names)
    if ignore_conflicts:
        sql += " ON CONFLICT DO NOTHING"
    adapted = [tuple(map(_adapted, row)) for row in rows]
    if adapted:
        with connection.cursor() as cursor:
            cursor.executemany(sql, adapted)


def _adapted(value: Any) -> Any:
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return value
