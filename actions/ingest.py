"""The one way in: findings are stored, and what is to be done about them, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from actions import decisions
from actions.decisions import Rules
from findings import ingest as findings_ingest
from findings.guardduty.parser import Unparsed
from findings.ingest import IngestResult
from findings.models import ThreatPolicy


def ingest(findings: Iterable[Mapping[str, Any] | Unparsed], *, at: datetime) -> IngestResult:
    """Holds a batch of findings against the policy and the allowlist as they are now."""
    return findings_ingest.ingest(
        findings,
        settings=ThreatPolicy.objects.actions(),
        at=at,
        decide=partial(decisions.decide, rules=Rules.now(), at=at),
    )
