"""That a worker lives, and what it tells every now and then."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from license import notices
from serving import heart

EVERY = 15.0  # seconds
SILENT = 5 * 60.0  # seconds of errors, after which a loop does not work
ALIVE = timedelta(minutes=5)  # a worker that waits for AWS beats no more often

_ACTS = "worker-acts"


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

    @property
    def works(self) -> bool:
        """Whether the loop has finished a round without an error within SILENT seconds."""
        return self.worked_at is not None and time.monotonic() - self.worked_at < SILENT

    def beat(self) -> None:
        """After a round without an error: notes the time where every process sees it, and tells
        that the license ends. Not more often than EVERY."""
        self.worked_at = time.monotonic()
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + EVERY
        now = timezone.now()
        cache.set(_key(self.loop), now.timestamp(), timeout=None)
        if self.loop == Loop.ACT and settings.CONTAINMENT == "on":
            cache.set(_ACTS, now.timestamp(), timeout=None)
        notices.tell(now)


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


def _key(loop: Loop) -> str:
    return f"worker-heartbeat-{loop}"
