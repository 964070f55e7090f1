"""For how long findings are kept. `actions/retention/` archives the others."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from django.conf import settings

from storage.triggers import RETAINED_DAYS


def days() -> int:
    """Returns RETENTION_DAYS; 0 for ever. Raises ValueError if it is invalid.

    A system check reports an invalid value at startup.
    """
    said = int(settings.RETENTION_DAYS)
    if said and not RETAINED_DAYS <= said <= 36_500:
        raise ValueError
    return said


def begin(now: datetime) -> datetime | None:
    """Returns the begin of the days (UTC) that are kept; None if all are."""
    if not (kept := days()):
        return None
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(kept)


def shown_begin(now: datetime) -> datetime | None:
    """Returns what `begin` does, for a page; None also if RETENTION_DAYS is invalid."""
    with suppress(ValueError):
        return begin(now)
    return None
