"""What resources were before a containment changed them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.utils import timezone

from actions.aws.outcome import ContainmentError
from actions.models import IN_AN_ACCOUNT, Memory, Reaction, ReactionKind, State

_SHOWN_MAX_LENGTH = 1000
RESTORE_AGAIN = (
    "To accept this as it is, restore again: then the portal no longer counts it as contained. Only"
    " a person can accept it."
)


def remember(reaction: Reaction, resource: str, before: Any) -> None:
    """Stores what the resource is, before this reaction changes it. A retry stores it once."""
    last = reaction.memories.filter(resource=resource).order_by("-pk").first()
    if last is None or last.before != before:
        Memory.objects.create(
            reaction=reaction, resource=resource, before=before, at=timezone.now()
        )


def recalled(reaction: Reaction) -> dict[str, Memory]:
    """Returns the memory of each resource that a containment of the target changed, by resource.

    Covers the containments of the same target up to this reaction, which can be one of them, since
    it was last restored. For a resource that was changed several times, returns the newest.
    """
    alike = Reaction.objects.filter(
        target=reaction.target,
        target_kind=reaction.target_kind,
        account_id=reaction.account_id,
        pk__lte=reaction.pk,
    )
    restores = alike.filter(kind=ReactionKind.RESTORE, state=State.DONE, pk__lt=reaction.pk)
    restored = restores.order_by("-pk").first()
    memories = Memory.objects.filter(
        reaction__in=alike.filter(pk__gt=restored.pk if restored else 0)
    )
    return {one.resource: one for one in memories.order_by("pk")}


def shown(document: Any) -> str:
    """Returns a policy as JSON. A long one is cut, and has a digest by which to compare it."""
    said = json.dumps(document, sort_keys=True)
    if len(said) <= _SHOWN_MAX_LENGTH:
        return said
    digest = hashlib.sha256(said.encode()).hexdigest()
    return f"{said[:_SHOWN_MAX_LENGTH]}... (SHA-256 {digest})"


class Restored(NamedTuple):
    """What a restore did, and what it left because others had changed it, as sentences."""

    told: Sequence[str]
    left: Sequence[str]


def conclude(reaction: Reaction, restored: Restored) -> str:
    """Returns the outcome of a restore. Raises ContainmentError if something was left.

    A person who then restores again, and finds the same, accepts it: the restore is done, and the
    containment is no longer in force.
    """
    told, left = restored
    found = " ".join(left)
    if not left:
        return " ".join(told)
    if not _was_seen(reaction, found):
        raise ContainmentError(" ".join([*told, found, RESTORE_AGAIN]), permanent=True)
    accepted = f"{reaction.requested_by_name} accepted this: it is no longer counted as contained."
    return " ".join([*told, found, accepted])


def _was_seen(reaction: Reaction, found: str) -> bool:
    """Returns whether a person asks for it, and the restore before it found the same."""
    alike = Reaction.objects.filter(
        target=reaction.target,
        target_kind=reaction.target_kind,
        account_id=reaction.account_id,
        kind__in=IN_AN_ACCOUNT,
        pk__lt=reaction.pk,
    )
    before = alike.exclude(state=State.PREVENTED).order_by("-pk").first()
    return (
        reaction.requested_by_id is not None
        and before is not None
        and (before.kind, before.state) == (ReactionKind.RESTORE, State.FAILED)
        and found in before.outcome
    )
