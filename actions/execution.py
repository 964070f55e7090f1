"""Carries out pending actions: claim, execute, record. Any number of workers can run it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby

import boto3
from django.db import transaction
from django.utils import timezone

from actions import breaker, containment, guardduty_archive, limits
from actions.aws import accounts, firewall, guardduty, in_account, s3, sns
from actions.aws.lists import ListsFull
from actions.aws.outcome import CarryOut, Outcome
from actions.models import (
    AT_THE_FIREWALL,
    CONTAINMENT,
    IN_AN_ACCOUNT,
    Attempt,
    Reaction,
    ReactionKind,
    ReactionQuerySet,
    State,
)
from serving import logs
from storage.locks import advisory_lock

logger = logging.getLogger(__name__)


BATCH = 1000  # actions that are claimed and merged into one call
BATCH_OF_CALLS = 5  # actions that are claimed if each needs its own AWS call
# After this time, other workers take over the claims of a worker that died. It is longer than a
# batch can take when AWS hangs.
LEASE = timedelta(minutes=5)
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(hours=1)

_AT_ONCE: Sequence[tuple[tuple[ReactionKind, ...], int, CarryOut]] = (
    (AT_THE_FIREWALL, BATCH, firewall.carry_out),
    (IN_AN_ACCOUNT, BATCH_OF_CALLS, in_account.carry_out),
    ((ReactionKind.ARCHIVE,), BATCH_OF_CALLS, guardduty.carry_out),
    ((ReactionKind.SAVE,), BATCH_OF_CALLS, s3.carry_out),
    ((ReactionKind.NOTIFY,), BATCH_OF_CALLS, sns.carry_out),
)


def carry_out_due(session: boto3.Session, after_each: Callable[[], None] = lambda: None) -> int:
    """Carries out at most one batch of each kind. Returns the number of attempted actions.

    Calls `after_each` after each batch. Also tries the roles that users have asked for.
    """
    accounts.try_asked(session)
    count = 0
    for kinds, limit, service in _AT_ONCE:
        count += _carry_out(session, kinds, limit, service)
        after_each()
    return count


def _carry_out(
    session: boto3.Session, kinds: Sequence[ReactionKind], limit: int, service: CarryOut
) -> int:
    claimed = _claim(kinds, at=timezone.now(), limit=limit)
    if not containment.is_on():
        # They were decided before containment was turned off.
        Reaction.objects.filter(pk__in=[one.pk for one in claimed]).settle(
            State.DRY_RUN, at=timezone.now(), outcome=containment.NOTHING_DONE
        )
    elif claimed:
        for outcomes in _as_they_come(service(session, claimed), kinds):
            _write_down(outcomes, at=timezone.now())
    return len(claimed)


@transaction.atomic
def _claim(kinds: Sequence[ReactionKind], *, at: datetime, limit: int) -> list[Reaction]:
    """Takes a lease on due actions, so that no other worker attempts them at the same time."""
    is_containment = not set(kinds).isdisjoint(CONTAINMENT)
    if is_containment:
        advisory_lock(breaker.LOCK)
    acts = containment.is_on()
    held = CONTAINMENT if is_containment and acts and breaker.tripped() else ()
    due = Reaction.objects.due(at).filter(kind__in=kinds).in_turn(at, held=held)
    due = due.select_related("finding").order_by("pk")
    rows = list(due.select_for_update(skip_locked=True, of=("self",))[:limit])
    if is_containment and acts:
        rows = breaker.let_through(rows, at=at)
    claimed = Reaction.objects.filter(pk__in=[one.pk for one in rows])
    claimed.start(at)
    claimed.postpone(at + LEASE)
    return rows


def _as_they_come(
    outcomes: Iterable[Outcome], kinds: Sequence[ReactionKind]
) -> Iterator[Sequence[Outcome]]:
    """Yields all outcomes at once if they are one call; else each before the next call starts."""
    if kinds == AT_THE_FIREWALL:
        yield list(outcomes)
    else:
        yield from ([outcome] for outcome in outcomes)


@transaction.atomic
def _write_down(outcomes: Sequence[Outcome], *, at: datetime) -> None:
    """Records an attempt for each outcome and updates the states, unless already settled."""
    # First, because it takes a lock that others hold when they lock the rows below.
    errors = (one.error for one in outcomes)
    full = Counter((e.target_kind, e.version) for e in errors if isinstance(e, ListsFull))
    for (target_kind, version), missing in full.items():
        limits.make_room(missing, target_kind=target_kind, version=version, at=at)
    Attempt.objects.bulk_create(
        [
            Attempt(reaction=one.reaction, at=at, succeeded=not one.error, answer=one.answer)
            for one in outcomes
        ]
    )

    def result(outcome: Outcome) -> tuple[str, str]:
        return ("" if outcome.error is None else "failed"), outcome.answer

    for (failed, answer), alike in groupby(sorted(outcomes, key=result), key=result):
        same = list(alike)
        if not failed:
            _these(same).settle(State.DONE, at=at, outcome=answer)
        for outcome in same:
            _log(outcome)
            if failed:
                _after_a_failure(outcome, at=at)
    done = {one.reaction.finding_id for one in outcomes if one.reaction.kind in CONTAINMENT}
    guardduty_archive.contained(done, at=at)


def _log(outcome: Outcome) -> None:
    """Writes a line with the trace of the action, and without its target."""
    one = outcome.reaction
    fields = {"action_id": one.pk, "action": one.kind, "event": one.finding_id}
    with logs.traced(one.trace):
        if outcome.error is None:
            logger.info("Action %s is done.", one.pk, extra={"fields": fields})
        else:
            logger.warning("Action %s failed. %s", one.pk, outcome.answer, extra={"fields": fields})


def _after_a_failure(outcome: Outcome, *, at: datetime) -> None:
    reaction, error = outcome.reaction, outcome.error
    tries = reaction.attempts.count()
    pause = min(FIRST_PAUSE * 2 ** min(tries - 1, 20), LONGEST_PAUSE)
    if error and error.prevented:
        _these([outcome]).settle(State.PREVENTED, at=at, outcome=outcome.answer)
    elif (error and error.permanent) or at + pause > reaction.gives_up_at:
        _these([outcome]).settle(State.FAILED, at=at, outcome=outcome.answer)
    else:
        _these([outcome]).postpone(at + pause)


def _these(outcomes: Iterable[Outcome]) -> ReactionQuerySet:
    return Reaction.objects.filter(pk__in=[outcome.reaction.pk for outcome in outcomes])
