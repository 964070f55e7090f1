"""Counts the writes that the license refuses, by day, reason and route, for auditors.

Each process adds its counts to the sums at most once in STORE_EVERY, after a write, and when it
ends. So a flood of refused writes neither fills nor slows down the database. The routes and reasons
are those of the portal, so there are few sums. A process that is killed loses what it has not
stored.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from datetime import date

from django.db import Error, transaction
from django.http import HttpRequest
from django.utils import timezone

from license.models import RefusedWrites
from storage import bulk

logger = logging.getLogger(__name__)

STORE_EVERY = 60.0  # seconds


class Tally:
    """The counts of this process that are not stored yet. Any thread can use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[date, str, str]] = Counter()
        self._due = 0.0

    def count(self, request: HttpRequest, code: str) -> None:
        """Count a refused write. Does not use the database."""
        match = request.resolver_match
        with self._lock:
            self._counts[timezone.now().date(), code, match.view_name[:200] if match else ""] += 1

    def store(self, *, at_once: bool = False) -> None:
        """Store the counts if it is time. Logs errors of the database, and keeps the counts."""
        now = time.monotonic()
        if not self._counts or (now < self._due and not at_once):
            return
        with self._lock:
            self._due = now + STORE_EVERY
            counts, self._counts = self._counts, Counter()
        rows = [(*names, count) for names, count in sorted(counts.items())]
        names = ("day", "code", "view_name")
        try:
            with transaction.atomic():
                bulk.insert(RefusedWrites, (*names, "count"), rows, unique=names, added=["count"])
        except Error as error:
            logger.warning("Refused writes were not counted. %s", type(error).__name__)
            with self._lock:
                self._counts.update(counts)


tally = Tally()
