"""Which entries of the firewall's lists the portal added, and which others had added before.

Both are memories of the block, stored before the list is changed. So an unblock takes out only what
the portal added.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from django.db.models import Max
from django.utils import timezone

from actions.models import Memory, Reaction, ReactionKind, State

_LISTED = "listed"  # in `Memory.before`: whether the list had the entry before the block
_AT_ONCE = 500  # targets in a query


class _Known(NamedTuple):
    was_listed: bool
    is_current: bool  # from a block since the target was last unblocked


def remember(
    arn: str, target_kind: str, *, added: Mapping[str, int], found: Mapping[str, int]
) -> None:
    """Stores which targets the portal adds to a list, and which it finds there.

    Each has the ID of the block. What is known since the target was last unblocked stays.
    """
    known = _known(arn, target_kind, [*added, *found])
    new = {
        target: False
        for target in added
        if known.get(target) != _Known(was_listed=False, is_current=True)
    }
    unknown = [one for one in found if one not in known or not known[one].is_current]
    new |= dict.fromkeys(set(unknown) - _blocked_by_earlier_versions(target_kind, unknown), True)
    blocks, at = {**found, **added}, timezone.now()
    Memory.objects.bulk_create(
        Memory(reaction_id=blocks[target], resource=arn, before={_LISTED: was_listed}, at=at)
        for target, was_listed in new.items()
    )


def of_others(arn: str, target_kind: str, targets: Collection[str]) -> set[str]:
    """Returns the targets that others had put into this list before the portal blocked them."""
    known = _known(arn, target_kind, targets)
    return {target for target, one in known.items() if one.was_listed}


def _known(arn: str, target_kind: str, targets: Collection[str]) -> dict[str, _Known]:
    """Returns what the newest memory of each target says about the list."""
    found: dict[str, _Known] = {}
    for some in _parts(targets):
        unblocked = _unblocked(target_kind, some)
        about = Memory.objects.filter(
            resource=arn, reaction__target__in=some, reaction__target_kind=target_kind
        )
        rows = about.order_by("pk").values_list("reaction__target", "reaction_id", "before")
        for target, block, before in rows:
            found[target] = _Known(before[_LISTED], block > unblocked.get(target, 0))
    return found


def _unblocked(target_kind: str, targets: Collection[str]) -> Mapping[str, int]:
    """Returns the newest unblock of each target that is done."""
    unblocks = Reaction.objects.filter(
        kind=ReactionKind.UNBLOCK,
        state=State.DONE,
        target__in=targets,
        target_kind=target_kind,
    )
    return dict(unblocks.values_list("target").annotate(Max("pk")))


def _blocked_by_earlier_versions(target_kind: str, targets: Collection[str]) -> set[str]:
    """Returns the targets with a block in force that remembers nothing: the entry is the portal's.

    A block that is done has a memory, unless a version did it that stored none.
    """
    found: set[str] = set()
    for some in _parts(targets):
        unblocked = _unblocked(target_kind, some)
        blocks = Reaction.objects.filter(
            kind=ReactionKind.BLOCK, target__in=some, target_kind=target_kind
        )
        done = blocks.filter(state=State.DONE).values_list("target").annotate(Max("pk"))
        with_memory = blocks.filter(memories__isnull=False).values_list("target")
        remembered = dict(with_memory.annotate(Max("pk")))
        for target, block in done:
            since = unblocked.get(target, 0)
            if block > since and remembered.get(target, 0) <= since:
                found.add(target)
    return found


def _parts(targets: Collection[str]) -> Iterator[list[str]]:
    ordered = sorted(set(targets))
    for start in range(0, len(ordered), _AT_ONCE):
        yield ordered[start : start + _AT_ONCE]
