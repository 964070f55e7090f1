"""Compares what each firewall path holds with the log of actions, and mends the difference.

A stack update or a person can empty or change an IP set. Any number of workers can reconcile at the
same time.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

import boto3
from django.db.models import Exists, OuterRef
from django.utils import timezone

from actions import breaker, containment, safeguards
from actions.aws import domain_lists, prefix_lists, wafv2
from actions.aws.outcome import Difference, Mend, Mended
from actions.models import AT_THE_FIREWALL, Attempt, Reaction, ReactionKind, State
from findings.guardduty.parser import Kind

logger = logging.getLogger(__name__)

EVERY = timedelta(minutes=10)
_SHOWN = 20  # actions in a line of the log
_AT_ONCE = 1000  # targets in a query


class Path(NamedTuple):
    """A place outside the database that holds what is blocked."""

    name: str
    target_kind: str
    mend: Mend


PATHS = (
    Path("IP set", Kind.ADDRESS, wafv2.LISTS.mend),
    Path("prefix list", Kind.ADDRESS, prefix_lists.LISTS.mend),
    Path("domain list", Kind.DOMAIN, domain_lists.LISTS.mend),
)


def reconcile(session: boto3.Session) -> None:
    """Mends every path, and logs what it mended, also as an attempt of the action.

    Does nothing in a dry run. Logs errors of AWS, which the next round tries again.
    """
    if not containment.is_on():
        return
    for path in PATHS:
        done = Reaction.objects.filter(kind__in=AT_THE_FIREWALL, state=State.DONE)
        if not done.filter(target_kind=path.target_kind).exists():
            continue  # nothing to compare with
        mended = path.mend(session, partial(_difference, path.target_kind))
        _write_down(path, mended, at=timezone.now())
        for problem in mended.problems:
            logger.warning("The %s could not be compared with the log. %s", path.name, problem)


def _difference(target_kind: str, held: Collection[str]) -> Difference:
    """Returns which targets the path lacks, and which of the `held` ones were unblocked.

    Others are unknown to the log, and stay. While the circuit breaker is open, nothing is missing:
    a person decides first whether the blocks were right.
    """
    log = Reaction.objects.filter(target_kind=target_kind)
    missing: dict[str, int] = {}
    if not breaker.tripped():
        in_force = log.in_force().filter(kind=ReactionKind.BLOCK, state=State.DONE).only("target")
        never = safeguards.never_block()
        missing = {
            one.target: one.pk
            for one in in_force.iterator()
            if not one.is_being_undone
            and one.target not in held
            and not _is_never_blocked(target_kind, one.target, never)
        }
    blocked_since = Reaction.objects.filter(
        kind=ReactionKind.BLOCK,
        state__in=[State.PENDING, State.DONE],
        target=OuterRef("target"),
        pk__gt=OuterRef("pk"),
    )
    unblocked = log.filter(~Exists(blocked_since), kind=ReactionKind.UNBLOCK, state=State.DONE)
    surplus: set[str] = set()
    for some in _parts(held):
        surplus.update(unblocked.filter(target__in=some).values_list("target", flat=True))
    return Difference(missing, surplus)


def _is_never_blocked(kind: str, target: str, never: Iterable[safeguards.Network]) -> bool:
    if kind == Kind.DOMAIN:
        return bool(safeguards.against_blocking_domain(target))
    number = ipaddress.ip_address(target)
    return any(number in network for network in never)


def _write_down(path: Path, mended: Mended, *, at: datetime) -> None:
    if not mended.put_back and not mended.taken_out:
        return
    put_back = _newest(ReactionKind.BLOCK, path.target_kind, mended.put_back)
    taken_out = _newest(ReactionKind.UNBLOCK, path.target_kind, mended.taken_out)
    logger.warning(
        "The %s differed from the log. Put back %s and took out %s, of the actions %s.",
        path.name,
        len(mended.put_back),
        len(mended.taken_out),
        ", ".join(map(str, [*put_back, *taken_out][:_SHOWN])),
    )
    Attempt.objects.bulk_create(
        Attempt(reaction_id=pk, at=at, succeeded=True, answer=answer)
        for pks, answer in (
            (put_back, f"It was missing from the {path.name}, and was put back."),
            (taken_out, f"It was still in the {path.name}, and was taken out."),
        )
        for pk in pks
    )


def _newest(kind: ReactionKind, target_kind: str, targets: Collection[str]) -> list[int]:
    """Returns the primary keys of the newest such actions that are done, one for each target."""
    newer = Reaction.objects.filter(
        kind=kind, state=State.DONE, target=OuterRef("target"), pk__gt=OuterRef("pk")
    )
    found: list[int] = []
    for some in _parts(targets):
        these = Reaction.objects.filter(
            ~Exists(newer), kind=kind, state=State.DONE, target_kind=target_kind, target__in=some
        )
        found += these.order_by("pk").values_list("pk", flat=True)
    return found


def _parts(targets: Collection[str]) -> Iterable[list[str]]:
    ordered = sorted(targets)
    for start in range(0, len(ordered), _AT_ONCE):
        yield ordered[start : start + _AT_ONCE]
