"""The one way in: findings are stored, and what is to be done about them, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from actions import decisions
from actions.decisions import Rules
from findings import arrival
from findings.arrival import Arrivals
from findings.models import ThreatPolicy
from findings.reading import NotUnderstood


def take_in(findings: Iterable[Mapping[str, Any] | NotUnderstood], *, at: datetime) -> Arrivals:
    """Holds a batch of findings against the policy and the allowlist as they are now."""
    return arrival.take_in(
        findings,
        settings=ThreatPolicy.objects.actions(),
        at=at,
        decide=partial(decisions.decide, rules=Rules.now(), at=at),
    )
