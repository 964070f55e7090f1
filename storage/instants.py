"""Formats aware datetimes for programs and for people, always in UTC.

This module does not use Django. Templates use the filter `instant` of storage.template_filters.
"""

from __future__ import annotations

from datetime import UTC, datetime

_SHOWN = {"second": slice(19), "minute": slice(16), "day": slice(10), "time": slice(11, 19)}


def iso(at: datetime, *, timespec: str = "seconds") -> str:
    """Format as RFC 3339: 2026-11-23T12:00:00Z. `timespec` is as in datetime.isoformat."""
    return at.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def human(at: datetime) -> str:
    """Format for a sentence: 2026-11-23 at 12:00:00 UTC."""
    return f"{shown(at, 'day')} at {shown(at, 'time')} UTC"


def shown(at: datetime, precision: str = "second") -> str:
    """Format without the time zone. `precision` is "second", "minute", "day" or "time".

    "time" is the time of day without the date. Raises KeyError for another precision.
    """
    # Not strftime, which does not pad the year 1 with zeros.
    return at.astimezone(UTC).isoformat(" ", "seconds")[_SHOWN[precision]]
