"""Actions that a user takes: undo a containment, and add or remove an allowlist entry."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import F

from accounts.api_auth import Caller
from actions import limits
from actions.models import CONTAINMENTS, Allowance, Reaction, ReactionKind, State
from serving import logs
from storage.locks import advisory_lock

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class Key(NamedTuple):
    """The Idempotency-Key of a request with who sent it, and a digest of its body."""

    key: str
    digest: str


NO_KEY = Key("", "")


@transaction.atomic
def undo(
    containment: Reaction, *, why: str, by: Caller, at: datetime, key: Key = NO_KEY
) -> Reaction | None:
    """Adds what undoes the containment (`models.CONTAINMENTS`), which a worker carries out.

    Returns None if it is not in force, was only a dry run, or its undo is already pending.
    """
    advisory_lock(limits.LOCK)
    standing = Reaction.objects.in_force().filter(pk=containment.pk).undoable().first()
    if standing is None:
        return None
    # Whether it is carried out depends on CONTAINMENT of the worker, not of this process.
    return Reaction.objects.create(
        finding_id=containment.finding_id,
        finding_type=containment.finding_type,
        finding_account_id=containment.finding_account_id,
        kind=CONTAINMENTS[ReactionKind(standing.kind)].undone_by,
        target_kind=containment.target_kind,
        target=containment.target,
        account_id=containment.account_id,
        why=why,
        state=State.PENDING,
        decided_at=at,
        due_at=at,
        requested_by=by.user,
        requested_by_name=by.name,
        client_id=by.client_id,
        request_key=key.key,
        request_digest=key.digest,
        trace=logs.request_id.get(),
    )


@transaction.atomic
def allow(
    kind: str,
    name: str,
    finding_type: str,
    *,
    reason: str,
    ends_at: datetime | None,
    by: User,
    at: datetime,
) -> bool:
    """Adds an entity to the allowlist for a finding type, or for every type (""), until `ends_at`.

    Returns False if it is already there. Does not undo actions that were already carried out.
    """
    about = Allowance.objects.filter(kind=kind, name=name, finding_type=finding_type)
    about.filter(taken_back_at=None, ends_at__lte=at).update(taken_back_at=F("ends_at"))
    try:
        with transaction.atomic():
            Allowance.objects.create(
                kind=kind,
                name=name,
                finding_type=finding_type,
                reason=reason,
                ends_at=ends_at,
                added_at=at,
                added_by=by,
            )
    except IntegrityError:
        return False
    return True


def take_back(allowance: Allowance, *, by: User, at: datetime) -> bool:
    """Removes an allowlist entry. Returns False if another user already removed it."""
    in_force = Allowance.objects.in_force(at).filter(pk=allowance.pk)
    return bool(in_force.update(taken_back_at=at, taken_back_by=by))
