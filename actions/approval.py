"""Actions of the policy that wait until somebody approves them."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth import get_user_model
from django.db import transaction

from accounts.api_auth import Caller
from actions import by_hand
from actions.by_hand import Request
from actions.models import Reaction, State, Verdict
from actions.wishes import Rules
from storage.locks import advisory_lock

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
    reaction: Reaction, *, approved: bool, reason: str, by: Caller, at: datetime
) -> Reaction | None:
    """Approves or rejects a waiting action.

    An approval adds another action, as if the caller had requested it now: it applies after all
    actions on the target until now, the safeguards and the allowlist are asked again, its time
    limit and its attempts begin now, and a revocation covers the sessions that began meanwhile.
    Returns that action, or the rejected one; None if the action no longer waits.
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
        by=by.user,
        by_name=by.name,
        client_id=by.client_id,
        reason=reason,
    )
    state = State.APPROVED if approved else State.PREVENTED
    waiting.end_wait(state, at=at, outcome=f"{verdict}.")
    if not approved:
        return Reaction.objects.get(pk=found.pk)
    wanted = Request(found.kind, found.target_kind, found.target, reason, found.its_finding)
    why = f"{found.why} {verdict}."
    return by_hand.store(wanted, why=why, by=by, at=at, rules=Rules.now())


@transaction.atomic
def expire(at: datetime) -> int:
    """Prevents the actions that have waited for too long. Returns how many there were."""
    over = Reaction.objects.filter(state=State.WAITING, due_at__lte=at)
    if not over.exists():  # as nearly always, and then without the lock
        return 0
    advisory_lock(LOCK)
    return over.end_wait(State.PREVENTED, at=at, outcome=EXPIRED)
