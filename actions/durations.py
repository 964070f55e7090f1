"""Durations as people write them: 30m, 12h, 7d."""

from __future__ import annotations

import re
from datetime import timedelta

PATTERN = r"[1-9][0-9]{0,4}[mhd]"
LONGEST = timedelta(days=3650)
FORMAT = "minutes, hours or days, such as 30m, 12h or 7d"

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def parse(text: str) -> timedelta | None:
    """Returns the duration; None for "", which means forever. Raises ValueError."""
    if not text:
        return None
    if not re.fullmatch(PATTERN, text):
        raise ValueError(text)
    duration = timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
    if duration > LONGEST:
        raise ValueError(text)
    return duration
