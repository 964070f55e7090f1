"""That a worker lives, and what it tells every now and then."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from enum import StrEnum

from django.core.cache import cache
from django.utils import timezone

from license import notices

EVERY = 15.0  # seconds


class Loop(StrEnum):
    """The loops of worker.py."""

    RECEIVE = "receive"
    ACT = "act"


class Heart:
    """Of one loop in one process."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self._due = 0.0

    def beat(self) -> None:
        """After a round without an error: notes the time where every process sees it, and tells
        that the license ends. Not more often than EVERY."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + EVERY
        now = timezone.now()
        cache.set(_key(self.loop), now.timestamp(), timeout=None)
        notices.tell(now)


def last_beats() -> dict[Loop, datetime]:
    """When each loop of any worker has beaten last, without those that never did. In one query."""
    found = cache.get_many([_key(loop) for loop in Loop])
    return {
        loop: datetime.fromtimestamp(found[_key(loop)], UTC) for loop in Loop if _key(loop) in found
    }


def _key(loop: Loop) -> str:
    return f"worker-heartbeat-{loop}"
