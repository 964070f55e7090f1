"""What a person decides about what was done: unblock, allow, and take an allowance back."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from actions.models import Allowance, Reaction, ReactionKind, State
from storage.locks import advisory_lock

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@transaction.atomic
def unblock(block: Reaction, *, by: User, at: datetime) -> Reaction | None:
    """Has the address unblocked. None where it is not blocked, or its unblocking waits already."""
    advisory_lock("actions.undo")
    standing = Reaction.objects.in_force().filter(pk=block.pk, kind=ReactionKind.BLOCK).first()
    if standing is None or standing.is_being_undone:
        return None
    # A block that was a dry run is undone as one. Any other is undone by the worker, whose
    # CONTAINMENT decides, not this process's.
    is_dry_run = standing.state == State.DRY_RUN
    return Reaction.objects.create(
        finding_id=block.finding_id,
        kind=ReactionKind.UNBLOCK,
        target_kind=block.target_kind,
        target=block.target,
        why=f"{by.get_username()} asked for it.",
        state=State.DRY_RUN if is_dry_run else State.PENDING,
        outcome="Nothing was done: the block was a dry run." if is_dry_run else "",
        decided_at=at,
        due_at=None if is_dry_run else at,
        settled_at=at if is_dry_run else None,
        requested_by=by,
        requested_by_name=by.get_username(),
    )


def allow(reaction: Reaction, *, by: User, at: datetime) -> bool:
    """From now on the target is only reported in findings of this type. False: it was already."""
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
    """The policy applies again. False: somebody else was faster."""
    in_force = Allowance.objects.in_force().filter(pk=allowance.pk)
    return bool(in_force.update(taken_back_at=at, taken_back_by=by))
