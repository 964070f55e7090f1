"""Tries to change append-only rows directly in the database, without Django."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
from django.apps import apps
from django.db import connection, models
from django.db.migrations.loader import MigrationLoader

from storage.append_only import KeptModel
from storage.triggers import AppendOnly

# By field type: the value in the row, and another value to replace it.
_VALUES = {
    "BooleanField": ("true", "false"),
    "JSONField": ("'{}'", "'[]'"),
    # Retention deletes old rows of some tables, and never young ones.
    "DateTimeField": ("'2126-01-01 00:00:00+00:00'", "'2126-01-02 00:00:00+00:00'"),
    **dict.fromkeys(
        [
            "BigAutoField",
            "BigIntegerField",
            "ForeignKey",
            "OneToOneField",
            "PositiveIntegerField",
            "PositiveSmallIntegerField",
        ],
        ("1", "2"),
    ),
}


def kept_models() -> list[type[models.Model]]:
    """Return the installed models that are derived from KeptModel."""
    return [model for model in apps.get_models() if issubclass(model, KeptModel)]


def operations() -> list[AppendOnly]:
    """Return the operations that add triggers in all migrations, in their order."""
    migrations = MigrationLoader(None).disk_migrations
    return [
        operation
        for name in sorted(migrations)
        for operation in migrations[name].operations
        if isinstance(operation, AppendOnly)
    ]


def left_behind() -> list[str]:
    """Return the names of the triggers, functions and tables that the operations have added."""
    named = "SELECT name FROM sqlite_master WHERE name LIKE '%append_only%'"
    if connection.vendor == "postgresql":
        named = """
            SELECT proname FROM pg_proc WHERE proname LIKE '%append_only%' UNION ALL
            SELECT tgname FROM pg_trigger WHERE tgname LIKE '%append_only%'
        """
    with connection.cursor() as cursor:
        cursor.execute(named)
        return [name for (name,) in cursor.fetchall()]


def answers(model: type[models.Model], *, free: Collection[str] = ()) -> dict[str, str]:
    """Return the database error for each statement that changes a row; "" if it succeeds.

    Does not update the columns in `free`. Commits nothing.
    """
    table = model._meta.db_table
    columns = {str(field.column): _values(field) for field in model._meta.concrete_fields}
    if table == "actions_reaction":
        columns |= {"state": ("'pending'", "'done'"), "due_at": _VALUES["DateTimeField"]}
    row = {column: before for column, (before, _) in columns.items()}
    names, values = ", ".join(row), ", ".join(row.values())
    insert = f"INTO {table} ({names}) VALUES ({values})"
    statements = [
        f"UPDATE {table} SET {column} = {after}"  # noqa: S608
        for column, (_, after) in columns.items()
        if column not in free
    ]
    statements += [
        f"DELETE FROM {table}",  # noqa: S608
        f"INSERT {insert} ON CONFLICT (id) DO UPDATE SET id = 2",
    ]
    if connection.vendor == "postgresql":
        statements += [f"TRUNCATE {table} CASCADE"]
    else:
        statements += [
            f"REPLACE {insert}",
            f"PRAGMA recursive_triggers = ON; REPLACE {insert}",
            f"UPDATE {table} SET rowid = 2",  # noqa: S608
        ]
    with _shell() as shell:
        return {statement: shell.answer(f"INSERT {insert}", statement) for statement in statements}


class _Shell:
    """A database session outside Django, like psql or sqlite3."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def answer(self, insert: str, statement: str) -> str:
        self._run("BEGIN")
        if connection.vendor == "postgresql":  # without foreign key checks
            self._run("SET LOCAL session_replication_role = replica", insert)
            self._run("SET LOCAL session_replication_role = origin")
        else:
            self._run(insert)
        try:
            self._run(*statement.split("; "))
        except (sqlite3.Error, psycopg.Error) as error:
            return str(error)
        finally:
            self._run("ROLLBACK")
        return ""

    def _run(self, *statements: str) -> None:
        for statement in statements:
            self.session.execute(statement)


@contextmanager
def _shell() -> Iterator[_Shell]:
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(settings["NAME"], isolation_level=None)) as session:
            yield _Shell(session)
    else:
        with psycopg.connect(
            host=settings["HOST"], user=settings["USER"], dbname=settings["NAME"], autocommit=True
        ) as session:
            yield _Shell(session)


def _values(field: models.Field[Any, Any]) -> tuple[str, str]:
    before, after = _VALUES.get(field.get_internal_type(), ("'a'", "'b'"))
    return ("NULL" if field.null else before), after
