"""Inserts many rows without the ORM, which makes an object of each row and SQL of each object."""

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
    """Inserts rows. The values of each are in the order of `columns`, which are names of columns.

    Raises IntegrityError for a row that breaks a constraint; with `ignore_conflicts`, rows that
    break a unique constraint are left out instead. Signals and `save` are not called.
    """
    table = connection.ops.quote_name(model._meta.db_table)
    names = ", ".join(map(connection.ops.quote_name, columns))
    marks = ", ".join(["%s"] * len(columns))
    sql = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608  (names of our own)
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
