"""Actions that a user takes: undo a containment, and add or remove an allowlist entry."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from actions.models import CONTAINMENTS, Allowance, Reaction, ReactionKind, State
from serving import logs
from storage.locks import advisory_lock

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_DRY_RUN = "Nothing was done, because the containment was a dry run."


@transaction.atomic
def undo(containment: Reaction, *, by: User, at: datetime) -> Reaction | None:
    """Adds what undoes the containment (`models.CONTAINMENTS`), which a worker carries out.

    Returns None if it is not in force or its undo is already pending.
    """
    advisory_lock("actions.undo")
    standing = Reaction.objects.in_force().filter(pk=containment.pk).first()
    if standing is None or standing.is_being_undone:
        return None
    # The undo of a dry-run containment is a dry run too. For all others, the worker's CONTAINMENT
    # setting decides, not that of this process.
    is_dry_run = standing.state == State.DRY_RUN
    return Reaction.objects.create(
        finding_id=containment.finding_id,
        kind=CONTAINMENTS[ReactionKind(containment.kind)].undone_by,
        target_kind=containment.target_kind,
        target=containment.target,
        account_id=containment.account_id,
        why=f"Requested by {by.get_username()}.",
        state=State.DRY_RUN if is_dry_run else State.PENDING,
        outcome=_DRY_RUN if is_dry_run else "",
        decided_at=at,
        due_at=None if is_dry_run else at,
        settled_at=at if is_dry_run else None,
        requested_by=by,
        requested_by_name=by.get_username(),
        trace=logs.request_id.get(),
    )


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
