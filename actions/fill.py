"""How full the IP sets are, as of the last update by a worker."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from django.core.cache import cache

NEARLY = 0.8  # from here on, the portal warns

_KEY = "ip-set-levels"


class Level(NamedTuple):
    """The addresses in all sets of one IP version in one place: a region, or CloudFront."""

    place: str
    version: int
    used: int
    capacity: int

    @property
    def is_nearly_full(self) -> bool:
        """Whether the sets are at least NEARLY full."""
        return self.used >= NEARLY * self.capacity


def note(found: Iterable[Level]) -> None:
    """Replaces the levels of all places, where all processes see them."""
    cache.set(_KEY, [tuple(one) for one in found], timeout=None)


def levels() -> list[Level]:
    """Returns the levels of the last update; empty before it. Runs one query."""
    return [Level(*one) for one in cache.get(_KEY, [])]
