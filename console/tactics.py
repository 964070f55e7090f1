"""The dashboard's chart of findings by ATT&CK tactic."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Count, QuerySet

from findings.guardduty.attack import TACTICS
from findings.models import Finding

WIDTH = 100  # of the longest bar, in SVG units


@dataclass(frozen=True, slots=True)
class TacticBar:
    """The findings of one tactic, and the bar that stands for them."""

    name: str
    count: int
    width: float
    query: str  # the query string of the Events page that lists them


def tactic_bars(findings: QuerySet[Finding], *, since: str) -> list[TacticBar]:
    """Returns a bar for each tactic of the findings, in the order of the ATT&CK matrix.

    Findings without a tactic come last. `since` is the value of the filter of the Events page.
    Runs one query.
    """
    counts = dict(findings.values_list("tactic").annotate(count=Count("pk")))
    highest = max(counts.values(), default=0)
    return [
        TacticBar(
            name=name or "No tactic",
            count=counts[name],
            width=round(max(1.0, WIDTH * counts[name] / highest), 1),
            query=urlencode({"tactic": name or "none", "since": since}),
        )
        for name in (*TACTICS, "")
        if counts.get(name)
    ]
