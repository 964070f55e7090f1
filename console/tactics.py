"""The dashboard's chart of findings by ATT&CK tactic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from findings.guardduty.attack import TACTICS, tactic_of

WIDTH = 100  # of the longest bar, in SVG units


@dataclass(frozen=True, slots=True)
class TacticBar:
    """The findings of one tactic, and the bar that stands for them."""

    name: str
    count: int
    width: float
    query: str  # the query string of the Events page that lists them


def tactic_bars(by_type: Mapping[str, int], *, since: str) -> list[TacticBar]:
    """Returns a bar for each tactic of the finding types, in the order of the ATT&CK matrix.

    Findings without a tactic come last. `by_type` are the numbers of findings, and `since` is the
    value of the filter of the Events page.
    """
    counts: Counter[str] = Counter()
    for finding_type, count in by_type.items():
        counts[tactic_of(finding_type)] += count
    highest = max(counts.values(), default=0)
    return [
        TacticBar(
            name=name or "No tactic",
            count=counts[name],
            width=round(max(1.0, WIDTH * counts[name] / highest), 1),
            query=urlencode({"tactic": name or "none", "since": since}),
        )
        for name in (*TACTICS, "")
        if counts[name] > 0
    ]
