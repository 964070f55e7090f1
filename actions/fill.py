"""How full the lists of the firewall paths are, as of the last update by a worker."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from django.core.cache import cache

from actions import paths

NEARLY = 0.8  # from here on, the portal warns

_KEYS = {path.setting: f"levels-of-{path.setting}" for path in paths.PATHS}


class Level(NamedTuple):
    """The entries in all lists of one IP version in one place: a region, or CloudFront."""

    lists: str  # such as "prefix lists"
    advice: str  # how to make more room, as a part of a sentence
    place: str
    version: int  # 0 for domains
    used: int
    capacity: int

    @property
    def is_nearly_full(self) -> bool:
        """Whether the lists are at least NEARLY full."""
        return self.used >= NEARLY * self.capacity


def note(setting: str, found: Iterable[Level]) -> None:
    """Replaces the levels of all places of a setting, where all processes see them."""
    cache.set(_KEYS[setting], [tuple(one) for one in found], timeout=None)


def levels() -> list[Level]:
    """Returns the levels of the last update of each path that is set up. Runs one query."""
    keys = [_KEYS[path.setting] for path in paths.PATHS if path.is_set_up]
    found = cache.get_many(keys)
    return [Level(*one) for key in keys for one in found.get(key, [])]
