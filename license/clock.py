"""The clock floor: a clock that is set back revives no license.

The latest time that was ever seen is kept in the database. If the clock is more than TOLERANCE
behind it, licenses are judged at that time. It comes from:

- installed keys and revocation lists, which contain the time when the vendor signed them;
- answers of AWS to the workers: their Date, and the SentTimestamp of messages in SQS;
- the time that has passed since then while a process ran, by a clock that nobody can set;
- the last write, by this server's clock. A license must be in force for a write, so a clock that
  was wrong cannot end a license this way. If AWS contradicts the time, it is forgotten.

The content of a finding, which others choose, never counts.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime, timedelta

from django.db import Error, connection, transaction

from license.models import SeenTime

logger = logging.getLogger(__name__)

Source = SeenTime.Source

TOLERANCE = timedelta(hours=48)
STORE_EVERY = 60 * 60.0  # seconds, for each process

_UPSERT = """
    INSERT INTO license_seentime (source, seconds) VALUES (%s, %s)
    ON CONFLICT (source) DO UPDATE SET seconds = excluded.seconds
    WHERE excluded.seconds > license_seentime.seconds
"""
_CONTRADICT = "UPDATE license_seentime SET seconds = %s WHERE source = %s AND seconds > %s"


def judged_at(now: datetime, floor: datetime | None) -> datetime:
    """Return the time at which licenses are judged, given what the clock shows."""
    return floor if floor and now < floor - TOLERANCE else now


def seen() -> dict[Source, datetime]:
    """Return the stored times by source. Raises django.db.Error."""
    rows = SeenTime.objects.order_by("source").values_list("source", "seconds")
    return {Source(source): datetime.fromtimestamp(seconds, UTC) for source, seconds in rows}


class Memory:
    """The times that this process has seen. Any thread can use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[Source, int] = {}
        self._stored: dict[Source, int] = {}
        self._due = 0.0
        # The true time is at least this plus time.monotonic(). None before a time was vouched for.
        self._offset: float | None = None

    def note(self, source: Source, at: datetime) -> None:
        """Note a time. Cheap: `store` stores it."""
        with self._lock:
            self._seen[source] = max(self._seen.get(source, 0), int(at.timestamp()))
        if source is not Source.WRITE:
            self.vouch(at)

    def vouch(self, at: datetime) -> None:
        """Note that AWS or the vendor has shown this time, so that it is later now."""
        offset = at.timestamp() - time.monotonic()
        with self._lock:
            self._offset = offset if self._offset is None else max(self._offset, offset)

    def store(self) -> None:
        """Store new times, at most once in STORE_EVERY. Logs errors of the database."""
        now = time.monotonic()
        with self._lock:
            if now < self._due:
                return
            self._due = now + STORE_EVERY
        try:
            with transaction.atomic():
                self._store()
        except Error as error:  # such as a read-only database; tried again in STORE_EVERY
            logger.warning("The time was not stored. The database: %s", type(error).__name__)

    def _store(self) -> None:
        for source, at in seen().items():
            if source is not Source.WRITE:
                self.vouch(at)
        with self._lock:
            if self._offset is not None:
                self._seen[Source.RUNNING] = int(self._offset + time.monotonic())
            new = [
                (source, seconds)
                for source, seconds in self._seen.items()
                if seconds > self._stored.get(source, 0)
            ]
        with connection.cursor() as cursor:
            for source, seconds in sorted(new):  # in one order, so that processes do not deadlock
                cursor.execute(_UPSERT, [source.value, seconds])
                if source is Source.AWS:
                    latest = seconds + int(TOLERANCE.total_seconds())
                    cursor.execute(_CONTRADICT, [seconds, Source.WRITE.value, latest])
        self._stored |= dict(new)


memory = Memory()


def heard(source: str, at: datetime) -> None:
    """Note a time that AWS has shown, for serving.aws_clock."""
    memory.note(Source(source), at)
