"""Which entries of the firewall's lists the portal added, and which others had added before.

Both are memories of the block, stored before the list is changed. So an unblock takes out only what
the portal added.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from django.db.models import F, Max
from django.utils import timezone

from actions.models import Memory, Reaction, ReactionKind, ReactionQuerySet, State

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
    known, unblocked = _known(arn, target_kind, [*added, *found]), _unblocked(target_kind, found)
    new = {
        target: False
        for target in added
        if known.get(target) != _Known(was_listed=False, is_current=True)
    }
    unknown = [one for one in found if one not in known or not known[one].is_current]
    ours = _of_earlier_versions(target_kind, unknown, since=unblocked)
    new |= {target: target not in ours for target in unknown}
    blocks, at = {**found, **added}, timezone.now()
    Memory.objects.bulk_create(
        Memory(reaction_id=blocks[target], resource=arn, before={_LISTED: was_listed}, at=at)
        for target, was_listed in new.items()
    )


def of_others(arn: str, target_kind: str, targets: Collection[str]) -> set[str]:
    """Returns the targets that others have put into this list.

    These were there before the portal blocked them, or are in a list that was set up after that.
    """
    known = _known(arn, target_kind, targets)
    unknown = set(targets) - known.keys()
    unknown -= _of_earlier_versions(target_kind, unknown, since={})
    return unknown | {target for target, one in known.items() if one.was_listed}


def _known(arn: str, target_kind: str, targets: Collection[str]) -> dict[str, _Known]:
    """Returns what the newest memory of each target says about the list."""
    found: dict[str, _Known] = {}
    unblocked = _unblocked(target_kind, targets)
    for some in _parts(targets):
        about = Memory.objects.filter(
            resource=arn, reaction__target__in=some, reaction__target_kind=target_kind
        )
        rows = about.order_by("pk").values_list("reaction__target", "reaction_id", "before")
        for target, block, before in rows:
            found[target] = _Known(before[_LISTED], block > unblocked.get(target, 0))
    return found


def _unblocked(target_kind: str, targets: Collection[str]) -> Mapping[str, int]:
    """Returns the newest unblock of each target that is done."""
    done = Reaction.objects.filter(
        kind=ReactionKind.UNBLOCK, state=State.DONE, target_kind=target_kind
    )
    return _newest(done, targets)


def _of_earlier_versions(
    target_kind: str, targets: Collection[str], *, since: Mapping[str, int]
) -> set[str]:
    """Returns the targets that a version blocked which remembered nothing: the entry is ours.

    Looks at the actions after the one of each target in `since`. A block remembers before it is
    settled; what `reconcile` remembers of it comes later, and says nothing about other lists.
    """
    blocks = Reaction.objects.filter(kind=ReactionKind.BLOCK, target_kind=target_kind)
    done = _newest(blocks.filter(state=State.DONE), targets)
    remembering = _newest(blocks.filter(memories__at__lte=F("settled_at")), done)
    return {
        target
        for target, block in done.items()
        if block > since.get(target, 0) >= remembering.get(target, 0)
    }


def _newest(actions: ReactionQuerySet, targets: Collection[str]) -> dict[str, int]:
    """Returns the newest of these actions for each target that has one."""
    found: dict[str, int] = {}
    for some in _parts(targets):
        about = actions.filter(target__in=some).values_list("target")
        found.update(about.annotate(Max("pk")))
    return found


def _parts(targets: Collection[str]) -> Iterator[list[str]]:
    ordered = sorted(set(targets))
    for start in range(0, len(ordered), _AT_ONCE):
        yield ordered[start : start + _AT_ONCE]
