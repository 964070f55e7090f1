"""Ingests findings: parses them, applies the policy, and stores each once."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction

from findings import policy, signals, sums, titles
from findings.catalogue import Severity
from findings.guardduty.attack import tactic_of
from findings.guardduty.parser import ParsedFinding, Unparsed, parse
from findings.models import Action, Finding
from findings.policy import Policy
from findings.sums import Change, Counted
from storage import bulk

FUTURE = timedelta(days=1)  # as far ahead of the portal's clock as a date is credible

Identity = tuple[str, str, str]  # AWS account, region, finding ID

_COLUMNS = [field.attname for field in Finding._meta.concrete_fields if not field.primary_key]
_UPDATED = ["severity", "score", "title", "description", "count", "first_seen_at", "seen_at", "raw"]


@dataclass(frozen=True, slots=True)
class IngestResult:
    """Counts the outcomes of a batch. A finding that is in the batch twice counts once."""

    stored: int = 0
    updated: int = 0
    unchanged: int = 0
    ignored: int = 0  # by the policy, not stored
    unparsed: int = 0  # among those above; stored whole and marked

    def __add__(self, other: IngestResult) -> IngestResult:
        return IngestResult(
            *(getattr(self, name) + getattr(other, name) for name in IngestResult.__slots__)
        )


def severity_of(score: float | None) -> Severity | None:
    """Returns the severity level of a GuardDuty score from 1.0 to 10.0; None for None.

    LOW starts at 1.0, MEDIUM at 4.0, HIGH at 7.0, CRITICAL at 9.0.
    """
    if score is None:
        return None
    if score >= 9:
        return Severity.CRITICAL
    if score >= 7:
        return Severity.HIGH
    return Severity.MEDIUM if score >= 4 else Severity.LOW


class New(NamedTuple):
    """A finding that was just stored for the first time, and its parsed content."""

    finding: Finding
    parsed: ParsedFinding | None  # None if it is unparsed
    trace: str = ""  # of the request or message that brought it


def ingest(
    findings: Iterable[Mapping[str, Any] | Unparsed],
    *,
    settings: Policy,
    at: datetime,
    traces: Iterable[str] = (),
    decide: Callable[[Sequence[New]], None] = lambda new: None,
) -> IngestResult:
    """Stores a batch of findings in one transaction, and returns the counts of the outcomes.

    `settings` is the policy, `at` the time of arrival, and `traces` the trace ID of each finding;
    findings that have none get "". Calls `decide` with the findings that are
    new, in the same transaction, so its writes commit with them. Database errors propagate.
    """
    incoming: dict[Identity, New] = {}
    ignored = 0
    for finding, trace in zip(
        findings, itertools.chain(traces, itertools.repeat("")), strict=False
    ):
        new = judged(finding, settings, at)._replace(trace=trace)
        if new.finding.action == Action.IGNORE:
            ignored += 1
            continue
        identity = _identity(new.finding)
        if identity not in incoming or incoming[identity].finding.count <= new.finding.count:
            incoming[identity] = new
    if not incoming:
        return IngestResult(ignored=ignored)
    try:
        known, updated = _store(incoming, decide)
    except IntegrityError:  # another worker stored one of them at the same time; the retry finds it
        known, updated = _store(incoming, decide)
    return IngestResult(
        stored=len(incoming) - known,
        updated=updated,
        unchanged=known - updated,
        ignored=ignored,
        unparsed=sum(new.parsed is None for new in incoming.values()),
    )


@transaction.atomic
def _store(
    incoming: Mapping[Identity, New], decide: Callable[[Sequence[New]], None]
) -> tuple[int, int]:
    """Returns how many findings were already stored, and how many of these were updated."""
    known = _known(incoming)
    # Sorted, so that two workers that insert the same findings wait and do not deadlock.
    new = {identity: incoming[identity] for identity in sorted(incoming) if identity not in known}
    bulk.insert(
        Finding,
        _COLUMNS,
        ([getattr(one.finding, name) for name in _COLUMNS] for one in new.values()),
    )
    for identity, row in _known(new).items():
        new[identity].finding.pk = row.pk
    changes = [_change(one, None) for one in new.values()]
    newer = []
    for identity, row in known.items():
        one = incoming[identity]
        if one.finding.count > row.times or _is_set_aside(one, row.times):
            one.finding.pk = row.pk
            newer.append(one)
            changes.append(_change(one, row))
    # GuardDuty's updates have a higher count. The action from the first arrival does not change.
    Finding.objects.bulk_update([one.finding for one in newer], _UPDATED)
    titles.remember(
        (
            finding.finding_type,
            titles.words_of(finding.title, {one.name for one in parsed.entities}),
        )
        for finding, parsed, _ in (*new.values(), *newer)
        if parsed
    )
    if new:
        decide(list(new.values()))
    signals.stored.send(New, new=list(new.values()), updated=newer)
    sums.change(changes)  # last: it locks rows that other workers need
    return len(known), len(newer)


def _is_set_aside(incoming: New, count: int) -> bool:
    """Returns whether GuardDuty or Security Hub set the stored finding aside; its count stays."""
    return incoming.finding.count == count and bool(incoming.parsed and incoming.parsed.set_aside)


def judged(finding: Mapping[str, Any] | Unparsed, settings: Policy, at: datetime) -> New:
    """Returns a finding that arrives at this time with the action that applies. Stores nothing."""
    if isinstance(finding, Unparsed):
        return New(_unparsed(finding.reason, {}, at), None)
    parsed = parse(finding)
    if isinstance(parsed, Unparsed):
        return New(_unparsed(parsed.reason, finding, at), None)
    severity = severity_of(parsed.severity) or ""
    applies = policy.resolve(settings, finding_type=parsed.finding_type, severity=severity)
    row = Finding(
        account_id=parsed.account_id,
        region=parsed.region,
        finding_id=parsed.finding_id,
        finding_type=parsed.finding_type,
        tactic=tactic_of(parsed.finding_type),
        severity=severity,
        score=parsed.severity,
        title=parsed.title,
        description=parsed.description,
        count=parsed.count,
        first_seen_at=parsed.first_seen_at,
        seen_at=_seen_at(parsed, at),
        received_at=at,
        action=applies.action,
        set_at=", ".join(filter(None, applies.set_at or ())),
        raw=_as_json(finding),
    )
    return New(row, parsed)


def _seen_at(parsed: ParsedFinding, at: datetime) -> datetime:
    """Returns when it was last seen; the time of arrival if it does not say, or not credibly.

    A finding that is dated in a year to come would be the newest of all until then.
    """
    said = parsed.last_seen_at
    return said if said and said - at < FUTURE else at


def _unparsed(reason: str, finding: Mapping[str, Any], at: datetime) -> Finding:
    raw = _as_json(finding)
    return Finding(
        finding_id=f"sha256:{hashlib.sha256(f'{reason}{raw}'.encode()).hexdigest()}",
        seen_at=at,
        received_at=at,
        action=Action.REPORT,
        problem=reason,
        raw=raw,
    )


def _as_json(finding: Mapping[str, Any]) -> str:
    # It comes from JSON, so it cannot contain itself.
    return json.dumps(finding, separators=(",", ":"), default=str, check_circular=False)


def _identity(row: Finding) -> Identity:
    return row.account_id, row.region, row.finding_id


class _Stored(NamedTuple):
    pk: int
    times: int  # its count
    counted: Counted


def _known(identities: Iterable[Identity]) -> dict[Identity, _Stored]:
    """Returns what is stored of those of these findings that are, and locks them."""
    wanted = set(identities)
    ids = {finding_id for _, _, finding_id in wanted}
    rows = Finding.objects.filter(finding_id__in=bulk.among(ids))
    # Not the key: others add actions on these findings while they hold a lock that ingest awaits.
    locked = rows.order_by("pk").select_for_update(no_key=True)
    return {
        identity: _Stored(pk, times, Counted(account_id, *counted))
        for account_id, region, finding_id, pk, times, *counted in locked.values_list(
            "account_id", "region", "finding_id", "pk", "count", *Counted._fields[1:]
        )
        if (identity := (account_id, region, finding_id)) in wanted
    }


def _change(incoming: New, row: _Stored | None) -> Change:
    """Returns what the arrival of a finding changes; `row` is what was stored of it."""
    finding, parsed, _ = incoming
    after = Counted(
        finding.account_id, finding.finding_type, finding.severity, finding.action, finding.seen_at
    )
    if row:  # the update does not touch the others
        after = row.counted._replace(severity=after.severity, seen_at=after.seen_at)
    return Change(
        finding.pk,
        row.counted if row else None,
        after,
        {(one.kind.value, one.name): one.is_actor for one in (parsed.entities if parsed else ())},
    )
