"""Actions of the policy that wait until a person approves them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.db import transaction

from actions import containment, decisions, limits
from actions.decisions import Rules
from actions.models import Reaction, ReactionKind, State, Verdict
from storage.locks import advisory_lock

if TYPE_CHECKING:
    from django.contrib.auth.models import User

LOCK = "actions.approval"
EXPIRED = "Nobody approved it within a day."


def who_may() -> list[str]:
    """Returns the names of the users who may approve, in order."""
    users = get_user_model().objects.with_perm(
        "actions.add_reaction", backend="django.contrib.auth.backends.ModelBackend"
    )
    return sorted(users.values_list("username", flat=True))


@transaction.atomic
def decide(
    reaction: Reaction, *, approved: bool, reason: str, by: User, at: datetime
) -> Reaction | None:
    """Approves or rejects a waiting action. Returns it in its new state.

    Returns None if it no longer waits. The safeguards and the allowlist are asked again, and the
    time limit of a block begins now.
    """
    advisory_lock(LOCK)
    waiting = Reaction.objects.waiting(at).filter(pk=reaction.pk)
    found = waiting.select_related("finding").first()
    if found is None:
        return None
    verdict = Verdict.objects.create(
        reaction=found,
        at=at,
        approved=approved,
        by=by,
        by_name=by.get_username(),
        reason=reason,
    )
    rules = Rules.now()
    prevented = decisions.prevented_by_hand(
        ReactionKind(found.kind), found.target_kind, found.target, found.its_finding.parsed, rules
    )
    state, outcome, ends_at = State.PENDING, "", None
    if not approved:
        state, outcome = State.PREVENTED, f"{verdict}."
    elif prevented:
        state, outcome = State.PREVENTED, prevented
    elif rules.is_dry_run:
        state, outcome = State.DRY_RUN, containment.NOTHING_DONE
    if state != State.PREVENTED and found.kind == ReactionKind.BLOCK:
        ends_at = limits.ends([found.target], at=at, is_dry_run=rules.is_dry_run)[found.target]
    waiting.approve(state, at=at, ends_at=ends_at, outcome=outcome)
    return Reaction.objects.get(pk=found.pk)


@transaction.atomic
def expire(at: datetime) -> int:
    """Prevents the actions that have waited for too long. Returns how many there were."""
    over = Reaction.objects.filter(state=State.WAITING, due_at__lte=at)
    if not over.exists():  # as nearly always, and then without the lock
        return 0
    advisory_lock(LOCK)
    return over.approve(State.PREVENTED, at=at, ends_at=None, outcome=EXPIRED)
