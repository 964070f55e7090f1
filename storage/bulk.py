"""Inserts many rows without the overhead of the ORM."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any

from django.db import connection, models
from django.db.models.expressions import RawSQL


def among(texts: Collection[str]) -> RawSQL:
    """Return a subquery with these texts, for a lookup with `__in`.

    It has one parameter. Django takes long to build the SQL for hundreds of parameters.
    """
    functions = {"sqlite": "json_each(%s)", "postgresql": "json_array_elements_text(%s::json)"}
    sql = f"SELECT value FROM {functions[connection.vendor]}"  # noqa: S608  (trusted names)
    return RawSQL(sql, [json.dumps([*texts])])  # noqa: S611


def insert(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    ignore_conflicts: bool = False,
    unique: Sequence[str] = (),
    added: Sequence[str] = (),
    latest: Sequence[str] = (),
) -> None:
    """Insert rows, each a sequence of values in the order of the column names in `columns`.

    Raises IntegrityError if a row violates a constraint. With `ignore_conflicts`, skips rows that
    violate a unique constraint. With `unique`, the columns of a unique constraint, adds the values
    of the columns `added` to the row that exists already, and keeps the higher value of the columns
    `latest`; sort the rows by these, so that two transactions wait for each other and do not
    deadlock. Does not send signals or call `save`.
    """
    table = connection.ops.quote_name(model._meta.db_table)
    names = ", ".join(map(connection.ops.quote_name, columns))
    marks = ", ".join(["%s"] * len(columns))
    sql = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608  (trusted names)
    if ignore_conflicts:
        sql += " ON CONFLICT DO NOTHING"
    if unique:
        sums = [f"{name} = {table}.{name} + excluded.{name}" for name in added]
        highest = {"sqlite": "max", "postgresql": "greatest"}[connection.vendor]
        for name in latest:
            stored = f"coalesce({table}.{name}, excluded.{name})"  # SQLite's max() of null is null
            sums.append(f"{name} = {highest}({stored}, excluded.{name})")
        sql += f" ON CONFLICT ({', '.join(unique)}) DO UPDATE SET {', '.join(sums)}"
    # Cached, because it is slow and a batch repeats times.
    adapt = {
        datetime: cache(connection.ops.adapt_datetimefield_value),
        date: cache(connection.ops.adapt_datefield_value),
    }
    adapted = [
        tuple(adapt[type(value)](value) if type(value) in adapt else value for value in row)
        for row in rows
    ]
    if adapted:
        with connection.cursor() as cursor:
            cursor.executemany(sql, adapted)


def delete(model: type[models.Model], column: str, values: Iterable[int]) -> None:
    """Delete the rows whose column has one of these integers, in one statement.

    Does not send signals, call `delete` or follow foreign keys. It is for retention, which deletes
    what it has archived; the triggers of append-only tables decide what may go.
    """
    functions = {
        "sqlite": "SELECT value FROM json_each(%s)",
        "postgresql": "SELECT value::bigint FROM json_array_elements_text(%s::json)",
    }
    table, name = map(connection.ops.quote_name, (model._meta.db_table, column))
    if listed := [*values]:
        with connection.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM {table} WHERE {name} IN ({functions[connection.vendor]})",  # noqa: S608
                [json.dumps(listed)],
            )
