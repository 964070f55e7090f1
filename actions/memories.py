"""What resources were before a containment changed them."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from actions.models import Memory, Reaction, ReactionKind, State


def remember(reaction: Reaction, resource: str, before: Any) -> None:
    """Stores what the resource is, before this reaction changes it. A retry stores it once."""
    last = reaction.memories.filter(resource=resource).order_by("-pk").first()
    if last is None or last.before != before:
        Memory.objects.create(
            reaction=reaction, resource=resource, before=before, at=timezone.now()
        )


def recalled(reaction: Reaction) -> dict[str, Any]:
    """Returns what each resource was before the target was contained, by resource.

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
    rows = memories.order_by("pk").values_list("resource", "before")
    return dict(rows)
