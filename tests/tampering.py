"""Bypasses the append-only triggers, as only the owner of the database can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management.commands import flush as flush_command
from django.db import connection
from django.db.backends.base.operations import BaseDatabaseOperations

from tests.migrated import put_rows_back


@contextmanager
def without_triggers() -> Iterator[None]:
    """Disable all triggers on this connection, which on PostgreSQL must be a superuser's."""
    if connection.vendor == "postgresql":
        before, after = (
            ["SET session_replication_role = replica"],
            ["RESET session_replication_role"],
        )
    else:
        with connection.cursor() as cursor:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            rows = cursor.fetchall()
        before, after = [f"DROP TRIGGER {name}" for name, _ in rows], [sql for _, sql in rows]
    _execute(before)
    try:
        yield
    finally:
        _execute(after)


def tamper(sql: str, parameters: Sequence[Any] | None = None) -> None:
    """Run a statement that the triggers would refuse."""
    with without_triggers(), connection.cursor() as cursor:
        cursor.execute(sql, parameters)


@contextmanager
def flushes_past_triggers() -> Iterator[None]:
    """Let Django flush append-only tables after a test with committed transactions.

    On PostgreSQL, by DELETE: TRUNCATE makes new files for all tables, which takes 20 times as long.
    Then puts the rows of migrations back, instead of making them anew by the signal post_migrate.
    """
    original = BaseDatabaseOperations.execute_sql_flush

    def flush(operations: BaseDatabaseOperations, statements: Sequence[str]) -> None:
        if connection.vendor == "postgresql":
            tables = connection.introspection.django_table_names(only_existing=True)
            names = map(operations.quote_name, tables)
            statements = [f"DELETE FROM {name}" for name in names]  # noqa: S608
        with without_triggers():
            original(operations, statements)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseDatabaseOperations, "execute_sql_flush", flush)
        patch.setattr(flush_command, "emit_post_migrate_signal", put_rows_back)
        yield


def _execute(statements: Sequence[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
