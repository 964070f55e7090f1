"""Compares the medians of two functions that run alternately, so other load affects both."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple


class Comparison(NamedTuple):
    """Median times of both sides, in milliseconds."""

    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        """Our time divided by theirs."""
        return self.ours / self.theirs


def compare(ours: Callable[[], object], theirs: Callable[[], object], *, rounds: int) -> Comparison:
    """Calls both functions `rounds` times each, alternating, and returns their median times."""
    sides = [(ours, list[float]()), (theirs, list[float]())]
    (_, mine), (_, yours) = sides
    for _ in range(rounds):
        sides.reverse()  # neither always follows the other
        for call, times in sides:
            before = time.perf_counter()
            call()
            times.append(time.perf_counter() - before)
    return Comparison(median(mine) * 1000, median(yours) * 1000)


def line(name: str, measured: float, goal: float, note: str) -> str:
    """Formats one line of output. The goal is met if `measured` is at most `goal`."""
    result = "met" if measured <= goal else "MISSED"
    return f"  {name:<42} {measured:6.2f}   goal {goal:4.2f} {result:<6}   {note}"


def ratio(name: str, found: Comparison, *, goal: float) -> str:
    """Formats one line of output that compares the ratio with the goal."""
    note = f"{found.ours:.3f} ms vs. {found.theirs:.3f} ms"
    return line(name, found.ratio, goal, note)
