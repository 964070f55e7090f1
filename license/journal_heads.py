"""The heads of the journals, in the log: so that a restored or edited database is seen."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.core.cache import cache

from storage import journal

logger = logging.getLogger(__name__)

KEPT = timedelta(days=2)  # longer than the day for which it is remembered that they were logged


def tell(at: datetime) -> None:
    """Log the heads, once a UTC day for any number of processes. Raises django.db.Error.

    `manage.py verifyjournal --expect` finds out whether a logged head is still in its journal.
    """
    if cache.add(f"journal-heads-told-{at:%Y-%m-%d}", True, timeout=KEPT.total_seconds()):
        for model in journal.journals():
            table, lines, sha256 = journal.head(model)
            logger.info("Journal %s: %d lines, head %s.", table, lines, sha256)
