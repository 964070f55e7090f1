"""Actions that a user takes: unblock an address, and add or remove an allowlist entry."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from actions import limits
from actions.models import Allowance, Reaction, ReactionKind
from serving import logs
from storage.locks import advisory_lock

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@transaction.atomic
def unblock(block: Reaction, *, by: User, at: datetime) -> Reaction | None:
    """Adds an unblock of the address, which a worker carries out.

    Returns None if the address is not blocked or an unblock is already pending.
    """
    advisory_lock(limits.LOCK)
    standing = Reaction.objects.in_force().filter(pk=block.pk, kind=ReactionKind.BLOCK).first()
    if standing is None or standing.is_being_undone:
        return None
    # Whether it is carried out depends on CONTAINMENT of the worker, not of this process.
    reaction = limits.unblock(standing, why=f"Requested by {by.get_username()}.", at=at)
    reaction.requested_by, reaction.requested_by_name = by, by.get_username()
    reaction.trace = logs.request_id.get()
    reaction.save()
    return reaction


def allow(reaction: Reaction, *, by: User, at: datetime) -> bool:
    """Adds the target to the allowlist for the finding type. Returns False if it is already there.

    Does not undo actions that were already carried out.
    """
    try:
        with transaction.atomic():
            Allowance.objects.create(
                kind=reaction.target_kind,
                name=reaction.target,
                finding_type=reaction.finding.finding_type,
                added_at=at,
                added_by=by,
            )
    except IntegrityError:
        return False
    return True


def take_back(allowance: Allowance, *, by: User, at: datetime) -> bool:
    """Removes an allowlist entry. Returns False if another user already removed it."""
    in_force = Allowance.objects.in_force().filter(pk=allowance.pk)
    return bool(in_force.update(taken_back_at=at, taken_back_by=by))
