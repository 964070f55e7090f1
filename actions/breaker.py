"""The circuit breaker, which stops containment after too many containments within one hour."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction

from actions import signals
from actions.models import CONTAINMENT, Reaction, State, Trip
from storage import capped
from storage.locks import advisory_lock

if TYPE_CHECKING:
    from django.contrib.auth.models import User

HOUR = timedelta(hours=1)
LOCK = "actions.breaker"


def tripped() -> Trip | None:
    """Returns the trip that has not been reset, or None."""
    return Trip.objects.filter(reset_at=None).first()


def waiting() -> int:
    """Returns the number of pending containments, counted by storage.capped."""
    return capped.count(Reaction.objects.filter(kind__in=CONTAINMENT, state=State.PENDING))


def let_through(asked: list[Reaction], *, at: datetime) -> list[Reaction]:
    """Returns the reactions that can be carried out now, in order. Trips if they exceed the limit.

    Call it in a transaction that holds LOCK, so that only one worker counts at a time, and only if
    the breaker has not tripped. Each target counts once, regardless of findings and attempts.
    """
    if not any(one.kind in CONTAINMENT for one in asked):
        return asked
    counted = _counted_since(_begin(at))
    for number, one in enumerate(asked):
        target = (one.kind, one.account_id, one.target)
        if one.kind in CONTAINMENT and target not in counted:
            if len(counted) >= settings.MAX_CONTAINMENTS_PER_HOUR:
                trip = Trip.objects.create(tripped_at=at, limit=settings.MAX_CONTAINMENTS_PER_HOUR)
                signals.tripped.send(Trip, trip=trip)
                return asked[:number]  # the rest can have the same target
            counted.add(target)
    return asked


def _begin(at: datetime) -> datetime:
    last = Trip.objects.exclude(reset_at=None).order_by("-reset_at").first()
    begin = at - HOUR
    return max(begin, last.reset_at) if last and last.reset_at else begin


def _counted_since(begin: datetime) -> set[tuple[str, str, str]]:
    started = Reaction.objects.filter(kind__in=CONTAINMENT, started_at__gt=begin)
    return set(started.values_list("kind", "account_id", "target").distinct())


@transaction.atomic
def reset(*, by: User, at: datetime, drop: bool) -> int:
    """Resets the breaker so that containment resumes.

    With `drop`, also cancels the pending containments. Returns how many were canceled.
    """
    advisory_lock(LOCK)
    if not Trip.objects.filter(reset_at=None).update(reset_at=at, reset_by=by):
        return 0  # another user reset it first; do not cancel what they released
    signals.reset.send(Trip, at=at)
    if not drop:
        return 0
    return Reaction.objects.filter(kind__in=CONTAINMENT).settle(
        State.PREVENTED,
        at=at,
        outcome=f"Canceled by {by.get_username()} when resetting the circuit breaker.",
    )
