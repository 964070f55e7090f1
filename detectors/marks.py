"""Marks files and single events as counted, so that each counts once."""

from __future__ import annotations

import hashlib

from django.db import connection

from detectors import bounds
from detectors.models import Mark
from detectors.rules import HOUR

# SQS keeps a message for at most 14 days.
FILE_MARK = 15 * 24 * 60 * 60  # seconds
# A record that is older is late, and not counted.
SINGLE_MARK = bounds.LATE + bounds.EARLY
SINGLES_MAX = 100_000  # single events of one hour, in all; further ones come only by file


def is_new(name: str, *, at: int, lasts: int) -> bool:
    """Marks a file or an event as counted, in the current transaction. False if it already was."""
    table = connection.ops.quote_name(Mark._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (digest, expires_at) VALUES (%s, %s)"  # noqa: S608
            " ON CONFLICT DO NOTHING",
            [_digest(name), at + lasts],
        )
        return bool(cursor.rowcount == 1)


def is_marked(name: str) -> bool:
    """Whether the file or event was counted."""
    return Mark.objects.filter(pk=_digest(name)).exists()


def room_for_singles(now: int) -> int:
    """Returns how many single events can be marked; SINGLES_MAX in each hour, about."""
    since = now + SINGLE_MARK - HOUR
    marked = Mark.objects.filter(expires_at__gt=since, expires_at__lte=now + SINGLE_MARK).count()
    return max(SINGLES_MAX - marked, 0)


def name_of_file(bucket: str, key: str, etag: str) -> str:
    """Returns the name of this content of a log file."""
    return f"file {bucket} {etag} {key}"


def name_of_single(event_id: str) -> str:
    """Returns the name of a single event."""
    return f"event {event_id}"


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "replace")).digest()
