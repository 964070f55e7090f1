"""That the license ends is told in time, to whoever reads the log."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.core.cache import cache

from license import status
from license.status import LicenseStatus
from storage.instants import human

logger = logging.getLogger(__name__)

# From so many days before the end on. The first that applies counts.
LEVELS = (
    (timedelta(days=14), logging.ERROR),
    (timedelta(days=30), logging.WARNING),
    (timedelta(days=90), logging.INFO),
)
KEPT = timedelta(days=2)  # longer than the day for which it is remembered what was told


def tell(at: datetime) -> None:
    """Logs how the license stands, once a UTC day for any number of processes, and once more on
    a day on which it gets worse; and that the clock was set back. Raises django.db.Error."""
    found = status.current(at)
    if found.clock_note and is_first("clock", at):
        logger.error("%s", found.clock_note)
    level = level_of(found)
    if level is None:
        return
    if is_first(f"license-{level}", at):
        logger.log(level, "%s", _sentences(found))


def is_first(what: str, at: datetime) -> bool:
    """Whether no process has asked this before on the same UTC day."""
    # The cache is a table with a unique key: of all that add this one, one succeeds.
    return cache.add(f"told-{what}-{at:%Y-%m-%d}", True, timeout=KEPT.total_seconds())


def level_of(found: LicenseStatus) -> int | None:
    """How urgent it is; None if there is nothing to tell."""
    if not found.allows_writes or found.writes_until is None:
        return logging.CRITICAL
    if found.renewal_takes_over and not found.needs_notice:
        return None  # the renewal is there already
    left = found.writes_until - found.now
    return next((level for term, level in LEVELS if left <= term), None)


def _sentences(found: LicenseStatus) -> str:
    if found.writes_until is None:
        return f"Writes are off. {found.reason} {found.remedy}"
    left = found.writes_until - found.now
    days = "1 day" if left.days == 1 else f"{left.days} days"
    return (
        f"The license ends on {human(found.writes_until)}, in {days}."
        " Renew it: the new key takes over by itself."
    )
