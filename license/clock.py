"""The clock floor: a clock that is set back revives no license.

The latest time that was ever seen is kept in the database. If the clock is more than TOLERANCE
behind it, licenses are judged at that time. It comes from:

- installed keys and revocation lists, which contain the time when the vendor signed them;
- answers of AWS to the workers: their Date, and the SentTimestamp of messages in SQS;
- the time that has passed since then while a process ran, by a clock that nobody can set;
- the last write, by this server's clock. A license must be in force for a write, so a clock that
  was wrong cannot end a license this way.

If AWS contradicts one of the last two, which this machine has measured, it is forgotten. The
content of a finding, which others choose, never counts.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime, timedelta

from django.db import Error, connection, transaction

from license.models import SeenTime
from storage.locks import advisory_lock

logger = logging.getLogger(__name__)

Source = SeenTime.Source

TOLERANCE = timedelta(hours=48)
STORE_EVERY = 60 * 60.0  # seconds, for each process

_LATEST = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp())
_MEASURED = (Source.RUNNING, Source.WRITE)

_UPSERT = """
    INSERT INTO license_seentime (source, seconds) VALUES (%s, %s)
    ON CONFLICT (source) DO UPDATE SET seconds = excluded.seconds
    WHERE excluded.seconds > license_seentime.seconds
"""
_CONTRADICT = """
    UPDATE license_seentime SET seconds = %s WHERE source IN (%s, %s) AND seconds > %s
"""


def judged_at(now: datetime, floor: datetime | None) -> datetime:
    """Return the time at which licenses are judged, given what the clock shows."""
    return floor if floor and now < floor - TOLERANCE else now


def instant(seconds: int) -> datetime:
    """Return a stored time; of one that no calendar has, the nearest."""
    return datetime.fromtimestamp(min(max(seconds, 0), _LATEST), UTC)


def seen() -> dict[Source, datetime]:
    """Return the stored times by source. Raises django.db.Error."""
    known = SeenTime.objects.filter(source__in=Source.values)  # a later version may have others
    rows = known.order_by("source").values_list("source", "seconds")
    return {Source(source): instant(seconds) for source, seconds in rows}


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
        if source is Source.AWS:
            self._correct(at)
        if source is not Source.WRITE:
            self.vouch(at)

    def vouch(self, at: datetime) -> None:
        """Note that AWS or the vendor has shown this time, so that it is later now."""
        offset = at.timestamp() - time.monotonic()
        with self._lock:
            self._offset = offset if self._offset is None else max(self._offset, offset)

    def _correct(self, at: datetime) -> None:
        """Forget what was measured if AWS contradicts it: time.monotonic() can jump, too."""
        offset = at.timestamp() - time.monotonic()
        latest = at.timestamp() + TOLERANCE.total_seconds()
        with self._lock:
            if self._offset is not None and self._offset > offset + TOLERANCE.total_seconds():
                self._offset = offset
            for source in _MEASURED:
                if max(self._seen.get(source, 0), self._stored.get(source, 0)) > latest:
                    self._seen.pop(source, None)
                    self._stored.pop(source, None)

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
        advisory_lock("license.seentime")  # so that processes do not deadlock
        stored = seen()
        aws = self._seen.get(Source.AWS, 0)
        is_news = aws > self._stored.get(Source.AWS, 0)
        is_newest = Source.AWS not in stored or instant(aws) > stored[Source.AWS]
        with connection.cursor() as cursor:
            if is_news and is_newest:
                latest = aws + int(TOLERANCE.total_seconds())
                cursor.execute(_CONTRADICT, [aws, *(one.value for one in _MEASURED), latest])
                stored = seen()
            for source, at in stored.items():
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
            for source, seconds in new:
                cursor.execute(_UPSERT, [source.value, seconds])
        self._stored |= dict(new)


memory = Memory()


def heard(source: str, at: datetime) -> None:
    """Note a time that AWS has shown, for serving.aws_clock."""
    memory.note(Source(source), at)
