from __future__ import annotations

from django.db import connection


def advisory_lock(name: str) -> None:
    """Holds back whoever else asks for this name, until this transaction ends; readers go on."""
    # On SQLite the transaction began with the write lock (transaction_mode in settings.py).
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [name])
