"""Decides which actions to take on new findings, and stores them. Carries out none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from actions import containment, limits
from actions.models import CONTAINMENT, IN_AN_ACCOUNT, Reaction, State
from actions.wishes import Rules, Wish, required
from findings.ingest import New
from findings.models import Action, Finding
from storage import bulk
from storage.locks import advisory_lock

APPROVED_WITHIN = timedelta(days=1)


def decide(new: Iterable[New], *, rules: Rules, at: datetime) -> None:
    """Stores the actions for each new finding. `at` is the time of the decision."""
    wishes = [
        (finding, wish, trace)
        for finding, parsed, trace in new
        for wish in required(finding, parsed, rules)
    ]
    fates = [fate(Action(finding.action), wish, rules) for finding, wish, _ in wishes]
    blocked: dict[bool, set[str]] = {False: set(), True: set()}  # by whether it is a dry run
    for (_, wish, _), (state, _) in zip(wishes, fates, strict=True):
        if wish.is_limited and state in (State.PENDING, State.DRY_RUN):
            blocked[state == State.DRY_RUN].add(wish.target)
    ends: dict[tuple[str, str], datetime | None] = {}
    for is_dry_run, targets in blocked.items():
        if targets:
            advisory_lock(limits.LOCK)
            state = State.DRY_RUN if is_dry_run else State.PENDING
            found = limits.ends(targets, at=at, is_dry_run=is_dry_run)
            ends |= {(target, state): end for target, end in found.items()}
    bulk.insert(
        Reaction,
        _COLUMNS,
        (
            _row(
                finding,
                wish,
                *a_fate,
                at,
                trace,
                ends.get((wish.target, a_fate[0])) if wish.is_limited else None,
            )
            for (finding, wish, trace), a_fate in zip(wishes, fates, strict=True)
        ),
    )


def would(new: New, *, rules: Rules) -> Iterator[tuple[Wish, State, str]]:
    """Yields the actions on a finding that is not stored, with their states and outcomes."""
    finding, parsed, _ = new
    for wish in required(finding, parsed, rules):
        yield wish, *fate(Action(finding.action), wish, rules)


_COLUMNS = [
    "finding_id",
    "finding_type",
    "finding_account_id",
    "kind",
    "target_kind",
    "target",
    "account_id",
    "why",
    "state",
    "outcome",
    "decided_at",
    "due_at",
    "settled_at",
    "requested_by_name",
    "trace",
    "client_id",
    "request_key",
    "request_digest",
    "ends_at",
    "lifts_at",
]


def fate(action: Action, wish: Wish, rules: Rules) -> tuple[State, str]:
    """Returns in which state the action of a policy action is stored, with its outcome."""
    is_dry_run = action.simulates or rules.is_dry_run
    if wish.prevented:
        return State.PREVENTED, wish.prevented
    if wish.not_set_up and not is_dry_run:
        return State.PREVENTED, wish.not_set_up
    if action.asks and wish.kind in CONTAINMENT:
        return State.WAITING, ""
    if is_dry_run:
        nothing_done = containment.SIMULATED if action.simulates else containment.NOTHING_DONE
        return State.DRY_RUN, " ".join(filter(None, [nothing_done, wish.not_set_up]))
    return State.PENDING, ""


def _row(
    finding: Finding,
    wish: Wish,
    state: State,
    outcome: str,
    at: datetime,
    trace: str,
    ends_at: datetime | None,
) -> tuple[Any, ...]:
    due_at = {State.PENDING: at, State.WAITING: at + APPROVED_WITHIN}.get(state)
    why = f"is set for {finding.set_at}" if finding.set_at else "by default"
    return (
        finding.pk,
        finding.finding_type,
        finding.account_id,
        wish.kind.value,
        str(wish.target_kind),
        wish.target,
        finding.account_id if wish.kind in IN_AN_ACCOUNT else "",
        f"{finding.action} {why}.",
        state.value,
        outcome,
        at,
        due_at,
        None if due_at else at,
        "",
        trace,
        "",
        "",
        "",
        ends_at,
        ends_at,
    )
