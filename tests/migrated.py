"""Migrates a test database once for all pytest workers of a run, which then use copies of it.

A conftest.py imports `django_db_setup`: in a plugin, it would not replace pytest-django's.
"""

from __future__ import annotations

import fcntl
import gc
import os
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from pytest_django import DjangoDbBlocker

_rows: dict[str, list[tuple[Any, ...]]] = {}  # of the migrated database, by table


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_blocker: DjangoDbBlocker, migrated_database: str
) -> None:
    """Replace that of pytest-django, with which each worker would run all migrations."""
    with django_db_blocker.unblock():
        use_a_copy(migrated_database)


def template(shared: Path) -> str:
    """Return the name of the migrated database; for SQLite, the path of its file.

    The first pytest worker creates it. `shared` is the folder that all workers share.
    """
    ready = shared / "migrated"
    with (shared / "migrated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            ready.write_text(_migrate(shared))
    return ready.read_text()


def use_a_copy(template: str) -> None:
    """Let this process use a copy of the migrated database."""
    connection.close()
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    creation = connection.creation
    connection.settings_dict["NAME"] = template
    creation.clone_test_db(worker, verbosity=0)
    connection.settings_dict["NAME"] = creation.get_test_db_clone_settings(worker)["NAME"]
    with connection.cursor() as cursor:
        for table in connection.introspection.django_table_names(only_existing=True):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608
            if rows := cursor.fetchall():
                _rows[table] = rows


def put_rows_back(*options: object) -> None:
    """Let an emptied database have the rows of the migrated one: permissions and groups."""
    with transaction.atomic(), connection.cursor() as cursor:
        for table, rows in _rows.items():
            values = ", ".join(["%s"] * len(rows[0]))
            name = connection.ops.quote_name(table)
            cursor.executemany(f"INSERT INTO {name} VALUES ({values})", rows)  # noqa: S608


def _migrate(shared: Path) -> str:
    """Create the database; on SQLite, in a file, as in production: threads can wait for locks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(connection.settings_dict, "NAME", connection.settings_dict["NAME"])
        if connection.vendor == "sqlite":
            patch.setitem(connection.settings_dict["TEST"], "NAME", str(shared / "test.sqlite3"))
        gc.disable()  # it would search the models of the migrations again and again
        name: str = connection.creation.create_test_db(
            verbosity=0, autoclobber=True, serialize=False
        )
        gc.enable()
        connection.close()  # PostgreSQL copies only a database without connections
    return name
