"""Locks that hold for all processes that share the database."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.db import DatabaseError, connection


def advisory_lock(name: str, *, shared: bool = False) -> None:
    """Acquire the lock with this name and hold it until the transaction ends.

    Must be called in a transaction. Waits for other holders; does not block reads. Those that hold
    it `shared` do not wait for each other.
    """
    # On SQLite, each transaction holds the write lock (transaction_mode in the settings).
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            suffix = "_shared" if shared else ""
            cursor.execute(f"SELECT pg_advisory_xact_lock{suffix}(hashtext(%s))", [name])


@contextmanager
def session_lock(name: str, *, until: float) -> Iterator[None]:
    """Hold the lock with this name, across transactions, until the block or the process ends.

    Closes the connection at the end. Raises TimeoutError if another process still holds the lock at
    `until` (time.monotonic()). SQLite has no such lock: there, does nothing.
    """
    if connection.vendor != "postgresql":
        yield
        return
    try:
        while not _try(name):
            if time.monotonic() > until:
                raise TimeoutError
            time.sleep(0.5)
        yield
    finally:
        connection.close()  # releases the lock, also if the connection is broken


@contextmanager
def only_one(name: str) -> Iterator[bool]:
    """Hold the lock with this name, if nobody else does. Yields whether it is held.

    It holds across transactions, until the block or the process ends. On SQLite, whose processes
    share a machine, it is the lock of a file beside the database.
    """
    if connection.vendor == "postgresql":
        is_held = _try(name)
        try:
            yield is_held
        finally:
            if is_held and connection.connection is not None:
                with suppress(DatabaseError), connection.cursor() as cursor:  # else it is released
                    cursor.execute("SELECT pg_advisory_unlock(hashtext(%s))", [name])
        return
    with Path(f"{connection.settings_dict['NAME']}.{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _try(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [name])
        return bool(cursor.fetchone()[0])
