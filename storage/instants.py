"""How an instant is written: for programs, and for people. Always in UTC.

This module knows no Django; templates have the filter `instant` of storage.template_filters.
"""

from __future__ import annotations

from datetime import UTC, datetime

_SHOWN = {"second": slice(19), "minute": slice(16), "day": slice(10), "time": slice(11, 19)}


def iso(at: datetime, *, timespec: str = "seconds") -> str:
    """As RFC 3339 has it: 2026-11-23T12:00:00Z. `timespec` is that of datetime.isoformat."""
    return at.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def human(at: datetime) -> str:
    """In a sentence: 2026-11-23 at 12:00:00 UTC."""
    return f"{shown(at, 'day')} at {shown(at, 'time')} UTC"


def shown(at: datetime, precision: str = "second") -> str:
    """Without the zone, to the "second", "minute" or "day", or the "time" of that day alone."""
    # Not by strftime, which leaves out the zeros of the year 1.
    return at.astimezone(UTC).isoformat(" ", "seconds")[_SHOWN[precision]]
