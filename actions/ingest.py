"""The only entry point for findings: stores them and their actions in one transaction."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from actions import decisions
from actions.wishes import Rules
from findings import ingest as findings_ingest
from findings.guardduty.parser import Unparsed
from findings.ingest import IngestResult
from findings.models import ThreatPolicy
from serving import logs


def ingest(
    findings: Iterable[Mapping[str, Any] | Unparsed],
    *,
    at: datetime,
    traces: Iterable[str] | None = None,
) -> IngestResult:
    """Ingests a batch of findings under the current policy and allowlist, all or none.

    `at` is the time of arrival, and `traces` the trace ID of each finding; by default, that of the
    current request. Returns the counts of the outcomes. Database errors propagate.
    """
    return findings_ingest.ingest(
        findings,
        settings=ThreatPolicy.objects.actions(),
        at=at,
        traces=itertools.repeat(logs.request_id.get()) if traces is None else traces,
        decide=partial(decisions.decide, rules=Rules.now(), at=at),
    )


def when_detected(
    sender: object, findings: Iterable[Mapping[str, Any]], at: datetime, **more: object
) -> None:
    """Ingests the findings of our own detectors."""
    ingest(findings, at=at)
