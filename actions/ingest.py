"""The only entry point for findings: stores them and their actions in one transaction."""

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
    """Ingests a batch of findings under the current policy and allowlist, all or none.

    `at` is the time of arrival. Returns the counts of the outcomes. Database errors propagate.
    """
    return findings_ingest.ingest(
        findings,
        settings=ThreatPolicy.objects.actions(),
        at=at,
        decide=partial(decisions.decide, rules=Rules.now(), at=at),
    )
