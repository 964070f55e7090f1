"""Migrations create indexes of large tables while others write."""

from __future__ import annotations

import queue
import threading
import time

import pytest
from django.db import connection, models, transaction
from django.db.migrations.loader import MigrationLoader

from findings.models import Entity
from storage.indexes import AddIndexBesideWrites

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "entity_last_seen"
WAITS = "SELECT count(*) FROM pg_locks WHERE pid = %s AND NOT granted"


def create() -> None:
    state = MigrationLoader(connection).project_state()
    index = models.Index(fields=["-last_seen_at", "-id"], name=NAME)
    with connection.schema_editor(atomic=False) as editor:
        AddIndexBesideWrites("entity", index).database_forwards("findings", editor, state, state)


def indexes() -> set[str]:
    with connection.cursor() as cursor:
        return {*connection.introspection.get_constraints(cursor, "findings_entity")}


def test_an_index_can_be_created_again_after_a_kill() -> None:
    before = indexes()
    create()
    assert indexes() == before >= {NAME}


def test_nobody_waits_for_an_index_that_waits_for_a_transaction() -> None:
    if connection.vendor == "sqlite":
        return  # has one writer, which waits
    pids: queue.Queue[int] = queue.Queue()
    timeouts: list[str] = []

    def release() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '1ms'")
            cursor.execute("SELECT pg_backend_pid()")
            pids.put(cursor.fetchone()[0])
            create()
            cursor.execute("SHOW lock_timeout")
            timeouts.extend(cursor.fetchone())
        connection.close()

    def write() -> None:
        Entity.objects.create(kind="address", name="192.0.2.2")
        connection.close()

    process, writer = (
        threading.Thread(target=release, daemon=True),
        threading.Thread(target=write, daemon=True),
    )
    with transaction.atomic(), connection.cursor() as cursor:
        Entity.objects.create(kind="address", name="192.0.2.1")
        process.start()
        pid, waiting, until = pids.get(timeout=30), False, time.monotonic() + 30
        while not waiting and time.monotonic() < until:
            cursor.execute(WAITS, [pid])
            waiting = bool(cursor.fetchone()[0])
        assert waiting
        writer.start()
        writer.join(30)
        assert not writer.is_alive()
    process.join(30)
    assert timeouts == ["1ms"]
    assert NAME in indexes()
    assert Entity.objects.count() == 2
