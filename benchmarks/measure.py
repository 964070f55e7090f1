"""Two sides take turns, and the fastest call of each is compared: what else the machine does can
only add to a time, never take from it."""

from __future__ import annotations

import time
from collections.abc import Callable


def ratio(ours: Callable[[], object], theirs: Callable[[], object], *, rounds: int) -> str:
    """How many times longer `ours` takes, with the fastest of both in milliseconds."""
    fastest = {ours: float("inf"), theirs: float("inf")}
    sides = [ours, theirs]
    for _ in range(rounds):
        sides.reverse()  # neither always follows the other
        for call in sides:
            before = time.perf_counter()
            call()
            fastest[call] = min(fastest[call], time.perf_counter() - before)
    mine, yours = fastest[ours] * 1000, fastest[theirs] * 1000
    return f"{mine / yours:5.2f}   ({mine:.3f} ms against {yours:.3f} ms, best of {rounds})"
