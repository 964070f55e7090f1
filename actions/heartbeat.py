"""That a worker lives, and what it tells every now and then."""

from __future__ import annotations

import os
import socket
import time
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from license import clock, journal_heads, notices
from serving import heart
from serving.sqs import Queue
from storage.locks import advisory_lock

EVERY = 15.0  # seconds
SILENT = 5 * 60.0  # seconds of errors, after which a loop does not work
ALIVE = timedelta(minutes=5)  # a worker that waits for AWS beats no more often

_ACTS = "worker-acts"
_QUEUE = "worker-queue"
_WORKERS = "workers"
_FORGET = timedelta(days=1)  # a worker that has ended, such as by an upgrade


class Loop(StrEnum):
    """The loops of worker.py."""

    RECEIVE = "receive"
    ACT = "act"


class Heart(heart.Heart):
    """Of one loop in one process. Other threads can read it."""

    loop: Loop

    def __init__(self, loop: Loop) -> None:
        super().__init__(loop)
        self.worked_at: float | None = None
        self._due = 0.0
        self._heads_told: date | None = None

    @property
    def works(self) -> bool:
        """Whether the loop has finished a round without an error within SILENT seconds."""
        return self.worked_at is not None and time.monotonic() - self.worked_at < SILENT

    def beat(self) -> None:
        """After a round without an error: notes the time where every process sees it, stores the
        time of AWS, and tells how license and journals stand. Not more often than EVERY."""
        self.worked_at = time.monotonic()
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + EVERY
        now = timezone.now()
        cache.set(_key(self.loop), now.timestamp(), timeout=None)
        if self.loop == Loop.ACT and settings.CONTAINMENT == "on":
            cache.set(_ACTS, now.timestamp(), timeout=None)
        clock.memory.store()
        notices.tell(now)
        if self._heads_told != now.date():  # asks the database once a day
            journal_heads.tell(now)
            self._heads_told = now.date()


def last_beats() -> dict[Loop, datetime]:
    """When each loop of any worker has beaten last, without those that never did. In one query."""
    found = cache.get_many([_key(loop) for loop in Loop])
    return {
        loop: datetime.fromtimestamp(found[_key(loop)], UTC) for loop in Loop if _key(loop) in found
    }


def acts(at: datetime) -> bool:
    """Whether a worker whose CONTAINMENT is on has lately beaten."""
    last = cache.get(_ACTS)
    return last is not None and at.timestamp() - last < ALIVE.total_seconds()


class QueueLag(NamedTuple):
    """What a worker last knew of the queue of findings."""

    at: datetime
    oldest_seconds: float | None  # of the messages it received last; None before the first answer
    waiting: int | None  # None if no worker counts the messages

    @property
    def oldest(self) -> timedelta | None:
        """`oldest_seconds` in whole seconds."""
        if self.oldest_seconds is None:
            return None
        return timedelta(seconds=round(self.oldest_seconds))


def note_queue(queue: Queue, now: datetime) -> None:
    """Notes what this worker knows of its queue where every process sees it. Calls no AWS API."""
    known = (now.timestamp(), queue.oldest_seconds(now), queue.counts.get("visible"))
    cache.set(_QUEUE, known, timeout=None)


def queue_lag() -> QueueLag | None:
    """Returns what a worker last knew of its queue; None if none ever did. In one query."""
    found = cache.get(_QUEUE)
    if found is None:
        return None
    at, oldest_seconds, waiting = found
    return QueueLag(datetime.fromtimestamp(at, UTC), oldest_seconds, waiting)


class Worker(NamedTuple):
    """A process of `manage.py processfindings`, and its last sign of life."""

    name: str  # of its host, with its process ID
    version: str
    at: datetime
    works: bool  # whether all of its loops did

    @property
    def is_alive(self) -> bool:
        """Whether the sign is not older than ALIVE."""
        return timezone.now() - self.at < ALIVE


def note_worker(*, version: str, works: bool, now: datetime) -> None:
    """Notes a sign of life of this process where every process sees it."""
    name = f"{socket.gethostname()}:{os.getpid()}"
    with transaction.atomic():
        advisory_lock(_WORKERS)
        known = {one.name: one for one in workers() if now - one.at < _FORGET}
        known[name] = Worker(name, version, now, works)
        signs = [(one.name, one.version, one.at.timestamp(), one.works) for one in known.values()]
        cache.set(_WORKERS, signs, timeout=None)


def workers() -> list[Worker]:
    """Returns the workers of the last day, by name. In one query."""
    found = [
        Worker(name, version, datetime.fromtimestamp(at, UTC), works)
        for name, version, at, works in cache.get(_WORKERS, [])
    ]
    return sorted(found)


def _key(loop: Loop) -> str:
    return f"worker-heartbeat-{loop}"
