"""The circuit breaker: too many containments within an hour, and somebody has to look first."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction

from actions.models import CONTAINMENT, Reaction, State, Trip
from storage.locks import advisory_lock

if TYPE_CHECKING:
    from django.contrib.auth.models import User

HOUR = timedelta(hours=1)
LOCK = "actions.breaker"


def tripped() -> Trip | None:
    """The trip that nobody has reset yet."""
    return Trip.objects.filter(reset_at=None).first()


def waiting() -> int:
    """How many containments wait for somebody."""
    return Reaction.objects.filter(kind__in=CONTAINMENT, state=State.PENDING).count()


def let_through(asked: list[Reaction], *, at: datetime) -> list[Reaction]:
    """Those of them, in their order, that may be carried out now. Trips where they are more than
    the limit allows.

    For a transaction that holds LOCK, so that two workers do not count at once, and for a breaker
    that has not tripped. A target counts once, however many findings and attempts are about it.
    """
    if not any(one.kind in CONTAINMENT for one in asked):
        return asked
    counted = _counted_since(_begin(at))
    for number, one in enumerate(asked):
        if one.kind in CONTAINMENT and (one.kind, one.target) not in counted:
            if len(counted) >= settings.MAX_CONTAINMENTS_PER_HOUR:
                Trip.objects.create(tripped_at=at, limit=settings.MAX_CONTAINMENTS_PER_HOUR)
                return asked[:number]  # what follows may be about the same target
            counted.add((one.kind, one.target))
    return asked


def _begin(at: datetime) -> datetime:
    last = Trip.objects.exclude(reset_at=None).order_by("-reset_at").first()
    begin = at - HOUR
    return max(begin, last.reset_at) if last and last.reset_at else begin


def _counted_since(begin: datetime) -> set[tuple[str, str]]:
    started = Reaction.objects.filter(kind__in=CONTAINMENT, started_at__gt=begin)
    return set(started.values_list("kind", "target").distinct())


@transaction.atomic
def reset(*, by: User, at: datetime, drop: bool) -> int:
    """Containment goes on: with what has waited, or, `drop`, without. How many were dropped."""
    advisory_lock(LOCK)
    if not Trip.objects.filter(reset_at=None).update(reset_at=at, reset_by=by):
        return 0  # somebody else was faster: what they have let go on is not dropped
    if not drop:
        return 0
    return Reaction.objects.filter(kind__in=CONTAINMENT).settle(
        State.PREVENTED,
        at=at,
        outcome=f"Dropped by {by.get_username()}, who reset the circuit breaker.",
    )
