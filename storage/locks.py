"""The lock that transactions take to follow one another."""

from __future__ import annotations

from django.db import connection


def advisory_lock(name: str) -> None:
    """Waits for the lock of this name, and holds it until the transaction ends. It must be called
    in a transaction. Reads are not held up."""
    # On SQLite the transaction began with the write lock (transaction_mode in settings.py).
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [name])
