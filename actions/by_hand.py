"""Actions that a person or a program requests, with a reason: contain, allow, and undo.

They pass the same safeguards, circuit breaker, log and worker as the actions of the policy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from accounts.api_auth import Caller
from actions import containment, limits, signals, undo
from actions.models import (
    BUCKET_USE,
    CONTAINMENTS,
    IN_AN_ACCOUNT,
    WITH_AN_END,
    Reaction,
    ReactionKind,
    State,
)
from actions.offers import ALLOW, bucket_uses
from actions.undo import NO_KEY, Key
from actions.wishes import Rules, prevented_by_hand
from findings.guardduty.connections import domain_in
from findings.guardduty.lenient_json import address_in
from findings.guardduty.parser import Kind
from findings.models import Finding, Mention
from serving import logs
from storage.locks import advisory_lock

REASON_MAX_LENGTH = 500
_LOOKED_AT = 20  # the newest findings that name an address, whose own addresses are spared
AS_SET = "policy"  # the duration that BLOCK_FOR gives
LASTS = (
    (AS_SET, "Default (BLOCK_FOR)"),
    ("1h", "1 hour"),
    ("1d", "1 day"),
    ("7d", "7 days"),
    ("30d", "30 days"),
    ("90d", "90 days"),
    ("", "No end"),
)


class NotPossible(Exception):
    """The request makes no sense, and nothing was stored. The text says why."""


class NothingInForce(NotPossible):
    """There is nothing to undo, or it is being undone already."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is requested about a target, and why."""

    what: str
    target_kind: str
    target: str
    reason: str
    finding: Finding | None = None  # None on the page of an entity
    lasts: timedelta | None = None  # None for no end; ignored for what has no end
    lasts_as_set: bool = True  # as BLOCK_FOR says; `lasts` is ignored


UNDO = frozenset(one.undone_by for one in CONTAINMENTS.values())


def can_end(what: str) -> bool:
    """Returns whether a duration applies to it."""
    return what in (*WITH_AN_END, ALLOW)


@transaction.atomic
def act(
    wanted: Request,
    *,
    by: Caller,
    at: datetime,
    key: Key = NO_KEY,
    rules: Rules | None = None,
) -> Reaction:
    """Stores the action that is requested, also if a safeguard prevents it. A worker acts on it.

    Without `rules`, reads the current ones. Raises NotPossible.
    """
    target = _canonical(wanted)
    why = f"Requested by {by.name}: {wanted.reason}"
    if wanted.what in UNDO:
        return _undo(wanted, target, why=why, by=by, at=at, key=key)
    kind = ReactionKind(wanted.what)
    finding = wanted.finding
    if finding and not _names(finding, wanted.target_kind, target):
        raise NotPossible("The finding does not name this target.")
    if finding is None and kind != ReactionKind.BLOCK:
        if kind == ReactionKind.DENY:
            raise NotPossible("State the finding that names the bucket and the principal.")
        finding = _newest_that_names(wanted.target_kind, target)
        if finding is None:
            raise NotPossible("No finding names this target, so its account is unknown.")
    wanted = replace(wanted, target=target, finding=finding)
    return store(wanted, why=why, by=by, at=at, key=key, rules=rules or Rules.now())


def store(
    wanted: Request, *, why: str, by: Caller, at: datetime, rules: Rules, key: Key = NO_KEY
) -> Reaction:
    """Stores a containment of a valid request, in the state that the safeguards and rules allow.

    Must be called in a transaction.
    """
    kind = ReactionKind(wanted.what)
    if kind in WITH_AN_END:
        advisory_lock(limits.LOCK)
    prevented = _prevented(kind, wanted.target_kind, wanted.target, wanted.finding, rules)
    state = State.PENDING
    if prevented:
        state = State.PREVENTED
    elif rules.is_dry_run:
        state = State.DRY_RUN
    is_pending = state == State.PENDING
    ends_at = _end(wanted, rules, at) if can_end(kind) and not prevented else None
    stored = Reaction.objects.create(
        finding=wanted.finding,
        finding_type=wanted.finding.finding_type if wanted.finding else "",
        finding_account_id=wanted.finding.account_id if wanted.finding else "",
        kind=kind,
        target_kind=wanted.target_kind,
        target=wanted.target,
        account_id=wanted.finding.account_id if wanted.finding and kind in IN_AN_ACCOUNT else "",
        why=why,
        state=state,
        outcome=prevented or ("" if is_pending else containment.NOTHING_DONE),
        decided_at=at,
        due_at=at if is_pending else None,
        settled_at=None if is_pending else at,
        requested_by=by.user,
        requested_by_name=by.name,
        client_id=by.client_id,
        request_key=key.key,
        request_digest=key.digest,
        trace=logs.request_id.get(),
        ends_at=ends_at,
        lifts_at=ends_at,
    )
    if prevented:
        signals.settled.send(Reaction, pks=[stored.pk], state=state, at=at)
    return stored


def allow(wanted: Request, *, by: Caller, at: datetime) -> bool:
    """Adds the target to the allowlist: for the type of the finding, or for every type.

    Returns False if it is there already. Raises NotPossible.
    """
    if by.user is None:
        raise NotPossible("Only a user can add to the allowlist.")
    return undo.allow(
        wanted.target_kind,
        _canonical(wanted),
        wanted.finding.finding_type if wanted.finding else "",
        reason=wanted.reason,
        ends_at=None if wanted.lasts_as_set or not wanted.lasts else at + wanted.lasts,
        by=by.user,
        at=at,
    )


def _canonical(wanted: Request) -> str:
    kinds = [kind for kind, one in CONTAINMENTS.items() if wanted.target_kind in one.targets]
    possible = {
        *kinds,
        *(CONTAINMENTS[kind].undone_by for kind in kinds),
        *([ALLOW] if kinds else []),
    }
    if wanted.what not in possible:
        raise NotPossible(f"{wanted.what} does not apply to this kind of target.")
    if wanted.target_kind == Kind.DOMAIN:
        domain = domain_in(wanted.target)
        if not domain:
            raise NotPossible("The target is not a domain.")
        return domain
    if wanted.target_kind != Kind.ADDRESS:
        return wanted.target
    address = address_in(wanted.target)
    if not address:
        raise NotPossible("The target is not an IPv4 or IPv6 address.")
    return address


def _undo(
    wanted: Request, target: str, *, why: str, by: Caller, at: datetime, key: Key
) -> Reaction:
    kinds = [kind for kind, one in CONTAINMENTS.items() if one.undone_by == wanted.what]
    standing = Reaction.objects.in_force().filter(
        kind__in=kinds, target_kind=wanted.target_kind, target=target
    )
    # A role of this name can be in force in several accounts.
    if wanted.finding:
        standing = standing.filter(account_id__in=["", wanted.finding.account_id])
    else:
        accounts = sorted(set(standing.undoable().values_list("account_id", flat=True)))
        if len(accounts) > 1:
            raise NotPossible(
                f"It is in force in several accounts: {', '.join(accounts)}. Undo it on the page of"
                " an event of the account, or on the Actions page."
            )
    for one in standing:
        if undone := undo.undo(one, why=why, by=by, at=at, key=key):
            return undone
    raise NothingInForce("There is nothing in force to undo, or it is being undone already.")


def _mentions(kind: str, name: str) -> QuerySet[Mention]:
    named = Mention.objects.filter(entity__kind=kind, entity__name=name)
    return named.select_related("finding").order_by("-pk")


def _names(finding: Finding, kind: str, name: str) -> bool:
    if kind == BUCKET_USE:
        return (kind, name) in bucket_uses(finding)
    return _mentions(kind, name).filter(finding=finding).exists()


def _newest_that_names(kind: str, name: str) -> Finding | None:
    newest = _mentions(kind, name).first()
    return newest.finding if newest else None


def _prevented(
    kind: ReactionKind, target_kind: str, target: str, finding: Finding | None, rules: Rules
) -> str:
    if finding:
        parsed = finding.parsed
        return prevented_by_hand(kind, target_kind, target, parsed, rules)
    for mention in _mentions(target_kind, target)[:_LOOKED_AT]:
        parsed = mention.finding.parsed
        if parsed and target in parsed.own_addresses:
            return prevented_by_hand(kind, target_kind, target, parsed, rules)
    return prevented_by_hand(kind, target_kind, target, None, rules)


def _end(wanted: Request, rules: Rules, at: datetime) -> datetime | None:
    if not wanted.lasts_as_set and wanted.lasts is None:
        return None
    return limits.ends(
        [wanted.target],
        at=at,
        is_dry_run=rules.is_dry_run,
        lasts=None if wanted.lasts_as_set else wanted.lasts,
    )[wanted.target]
