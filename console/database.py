"""What the database is, and how large."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection

EXACT = 100_000  # rows; a table with more is estimated, so that no page reads a whole table


@dataclass(frozen=True, slots=True)
class Table:
    """A table, its rows, and its size with indexes in bytes; None if the database tells none."""

    name: str
    rows: int
    size: int | None = None
    is_estimate: bool = False


@dataclass(frozen=True, slots=True)
class Database:
    """The database of the portal."""

    engine: str
    version: str
    size: int  # bytes


def database() -> Database:
    """Returns engine, version and size. Raises django.db.Error."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT current_setting('server_version'), pg_database_size(current_database())"
            )
            version, size = cursor.fetchone()
            return Database("PostgreSQL", version, size)
        cursor.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        return Database("SQLite", sqlite3.sqlite_version, cursor.fetchone()[0])


def largest(limit: int) -> list[Table]:
    """Returns the largest tables, by size on PostgreSQL and by number of rows on SQLite."""
    if connection.vendor != "postgresql":
        return sorted(counted(connection.introspection.table_names()), key=_by_rows)[:limit]
    sizes = _sizes()
    names = sorted(sizes, key=lambda name: (-sizes[name], name))[:limit]
    return list(counted(names, sizes))


def every() -> list[Table]:
    """Returns all tables by name."""
    sizes = _sizes() if connection.vendor == "postgresql" else {}
    return list(counted(connection.introspection.table_names(), sizes))


def counted(names: Iterable[str], sizes: dict[str, int] | None = None) -> Iterable[Table]:
    """Yields each table with its rows: exactly up to EXACT, as an estimate above."""
    sizes = sizes or {}
    with connection.cursor() as cursor:
        for name in names:
            quoted = connection.ops.quote_name(name)
            # The names are those of the database itself.
            some = f"SELECT 1 FROM {quoted} LIMIT {EXACT}"  # noqa: S608
            cursor.execute(f"SELECT COUNT(*) FROM ({some}) AS counted")  # noqa: S608
            (rows,) = cursor.fetchone()
            is_estimate = rows == EXACT
            if is_estimate and connection.vendor == "postgresql":
                cursor.execute(
                    "SELECT reltuples FROM pg_class WHERE oid = to_regclass(%s)", [quoted]
                )
                rows = max(EXACT, int(cursor.fetchone()[0]))
            elif is_estimate:
                cursor.execute(f"SELECT MAX(rowid) FROM {quoted}")  # noqa: S608
                rows = max(EXACT, cursor.fetchone()[0] or 0)
            yield Table(name, rows, sizes.get(name), is_estimate)


def _sizes() -> dict[str, int]:
    """Returns the bytes of each table of the search path, with indexes and long values."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, pg_total_relation_size(oid) FROM pg_class"
            " WHERE relkind = 'r' AND pg_table_is_visible(oid)"
            " AND relnamespace <> 'pg_catalog'::regnamespace"
        )
        return dict(cursor.fetchall())


def _by_rows(table: Table) -> tuple[int, str]:
    return -table.rows, table.name
