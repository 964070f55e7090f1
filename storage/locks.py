"""A lock that serializes transactions."""

from __future__ import annotations

from django.db import connection


def advisory_lock(name: str) -> None:
    """Acquire the lock with this name and hold it until the transaction ends.

    Must be called in a transaction. Waits for other holders; does not block reads.
    """
    # On SQLite, each transaction holds the write lock (transaction_mode in the settings).
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [name])
