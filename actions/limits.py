"""The time limit of blocks: when a block ends, and the unblocks that lift what has ended.

A denial on a bucket (DENY) is a block here, and what restores it is an unblock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, F, Max, OuterRef, Q, Subquery

from actions import containment, durations
from actions.models import (
    CONTAINMENTS,
    LIFTS,
    WITH_AN_END,
    Memory,
    Reaction,
    ReactionKind,
    ReactionQuerySet,
    State,
)
from findings.guardduty.parser import Kind
from storage import bulk, instants
from storage.locks import advisory_lock

# Held by all that add a block or an unblock. So nobody adds an unblock after a block that is not
# committed yet, which would undo it unseen.
LOCK = "actions.undo"
LONGEST = timedelta(days=90)  # doubling stops here
BATCH = 1000  # blocks in one transaction
# A worker tries an unblock for a day. If the block is still in force then, it is lifted again.
LOOK_AGAIN = timedelta(hours=25)

_STANDING = (State.PENDING, State.DONE)
_ENDING = frozenset().union(*(CONTAINMENTS[kind].targets for kind in WITH_AN_END))
_LOOKED_UP = 500  # targets in one query


def block_for() -> timedelta | None:
    """Returns BLOCK_FOR; None for no limit. Raises ValueError if it is invalid.

    A system check reports an invalid value at startup.
    """
    return durations.parse(settings.BLOCK_FOR)


def ends(
    targets: Collection[str], *, at: datetime, is_dry_run: bool, lasts: timedelta | None = None
) -> Mapping[str, datetime | None]:
    """Returns, per target, the end of a block that is decided at this time; None for none.

    The caller holds LOCK, and adds the blocks in the same transaction.
    Each earlier block that reached its end doubles the duration, up to LONGEST; one that made room
    before its end does not. The end is never before that of a block in force. `lasts` overrides
    BLOCK_FOR and does not double.
    """
    first = lasts or block_for()
    if first is None:
        return dict.fromkeys(targets)
    times, standing = Counter[str](), dict[str, datetime | None]()
    ended = State.DRY_RUN if is_dry_run else State.DONE
    for part in _parts(targets):
        about = Reaction.objects.filter(target__in=bulk.among(part))
        lifted = _reached_their_end(about.filter(state=ended))
        times.update(dict(lifted.values_list("target").annotate(count=Count("pk"))))
        standing |= _latest_ends(about.outlasting(at), is_dry_run=is_dry_run)
    found: dict[str, datetime | None] = {}
    for target in targets:
        doubled = min(first * 2 ** min(times[target], 20), max(first, LONGEST))
        end = at + (lasts or doubled)
        before = standing.get(target, end)
        found[target] = before and max(before, end)
    return found


def _reached_their_end(actions: ReactionQuerySet) -> ReactionQuerySet:
    """Returns the unblocks, of these, that lifted a block at its end."""
    before = Reaction.objects.filter(
        kind__in=WITH_AN_END,
        state=OuterRef("state"),
        target=OuterRef("target"),
        pk__lt=OuterRef("pk"),
    ).order_by("-pk")
    by_itself: Any = actions.filter(kind__in=LIFTS, requested_by_name="")
    ended = by_itself.annotate(end=Subquery(before.values("ends_at")[:1]))
    found: ReactionQuerySet = ended.filter(end__lte=F("decided_at"))
    return found


def _parts(targets: Collection[str]) -> Iterator[Sequence[str]]:
    rest = sorted(set(targets))
    for begin in range(0, len(rest), _LOOKED_UP):
        yield rest[begin : begin + _LOOKED_UP]


def _latest_ends(blocks: ReactionQuerySet, *, is_dry_run: bool) -> dict[str, datetime | None]:
    states = [State.DRY_RUN] if is_dry_run else _STANDING
    rows = blocks.filter(state__in=states).values("target")
    rows = rows.annotate(latest=Max("ends_at"), endless=Count("pk", filter=Q(ends_at=None)))
    return {one["target"]: None if one["endless"] else one["latest"] for one in rows}


@transaction.atomic
def lift(at: datetime) -> int:
    """Adds an unblock for each address whose blocks have all ended. Returns how many.

    Any number of workers can call it: a block is lifted once. Where CONTAINMENT is a dry run, only
    the blocks of dry runs are lifted; the others wait.
    """
    due = Reaction.objects.filter(lifts_at__lte=at)
    if not containment.is_on():
        due = due.exclude(state__in=_STANDING)
    if not due.exists():  # as nearly always, and then without the lock
        return 0
    advisory_lock(LOCK)
    blocks = list(due.order_by("lifts_at", "pk")[:BATCH])
    outlasted, unblocked = _what_followed([block.target for block in blocks], at)
    did_a_part = set(
        Memory.objects.filter(reaction__in=blocks).values_list("reaction_id", flat=True)
    )
    added: dict[tuple[str, bool], Reaction] = {}
    over, later = [], []
    for block in blocks:
        is_dry_run = block.state == State.DRY_RUN
        one = block.target, is_dry_run
        undone = max(
            unblocked[block.target, State.DONE],
            unblocked[block.target, State.DRY_RUN] if is_dry_run else 0,
        )
        is_standing = block.state in (*_STANDING, State.DRY_RUN) or block.pk in did_a_part
        if not is_standing or one in outlasted or undone > block.pk:
            over.append(block.pk)
        elif unblocked[block.target, State.PENDING] > block.pk or one in added:
            later.append(block.pk)
        else:
            added[one] = unblock(block, why=_why(block), at=at)
            later.append(block.pk)
    Reaction.objects.bulk_create(added.values())
    Reaction.objects.filter(pk__in=over).lift(None)
    Reaction.objects.filter(pk__in=later).lift(at + LOOK_AGAIN)
    return len(added)


def _why(block: Reaction) -> str:
    return f"The time limit of the block ended on {instants.human(block.ends_at)}."  # type: ignore[arg-type]


def _what_followed(
    targets: Collection[str], at: datetime
) -> tuple[set[tuple[str, bool]], Counter[tuple[str, str]]]:
    """Returns which targets have a block that ends later, each with whether it is a dry run, and
    the newest unblock per target and state; 0 for none.

    Reads the actions on a target once, not for each of its blocks, which can be thousands.
    """
    outlasted: set[tuple[str, bool]] = set()
    unblocked = Counter[tuple[str, str]]()
    for part in _parts(targets):
        about = Reaction.objects.filter(target__in=part)
        states = about.outlasting(at).values_list("target", "state").distinct()
        outlasted |= {(target, state == State.DRY_RUN) for target, state in states}
        undone = about.filter(kind__in=LIFTS, target_kind__in=_ENDING)
        rows = undone.values_list("target", "state")
        for target, state, newest in rows.annotate(newest=Max("pk")):
            unblocked[target, state] = newest
    return outlasted, unblocked


def unblock(block: Reaction, *, why: str, at: datetime) -> Reaction:
    """Returns an unsaved unblock of the block's target, which nobody requested."""
    # The unblock of a dry-run block is a dry run too.
    is_dry_run = block.state == State.DRY_RUN
    return Reaction(
        finding_id=block.finding_id,
        finding_type=block.finding_type,
        finding_account_id=block.finding_account_id,
        kind=CONTAINMENTS[ReactionKind(block.kind)].undone_by,
        target_kind=block.target_kind,
        target=block.target,
        account_id=block.account_id,
        why=why,
        state=State.DRY_RUN if is_dry_run else State.PENDING,
        outcome="Nothing was done, because the block was a dry run." if is_dry_run else "",
        decided_at=at,
        due_at=None if is_dry_run else at,
        settled_at=at if is_dry_run else None,
        trace=block.trace,
    )


@transaction.atomic
def make_room(needed: int, *, target_kind: str, version: int, at: datetime) -> Sequence[Reaction]:
    """Unblocks the targets whose blocks end first, to make room for others in full lists.

    They are domains, or addresses of this IP version. Adds at most `needed` unblocks, less those
    that are already pending, and returns them. Blocks without an end stay, and so do those whose
    entry others had put into a list, since it would stay there.
    """
    advisory_lock(LOCK)
    ours = Reaction.objects.filter(target_kind=target_kind)
    if version:
        colon = Q(target__contains=":")
        ours = ours.filter(colon if version == 6 else ~colon)
    needed -= ours.filter(kind=ReactionKind.UNBLOCK, state=State.PENDING).count()
    of_others = Memory.objects.filter(
        reaction__target=OuterRef("target"),
        reaction__target_kind=target_kind,
        before__listed=True,
    )
    standing: Any = ours.filter(
        ~Exists(of_others), lifts_at__isnull=False, state=State.DONE, kind=ReactionKind.BLOCK
    )
    first = standing.in_force().filter(is_being_undone=False).order_by("ends_at", "pk")
    lists = "domain lists" if target_kind == Kind.DOMAIN else "IP sets or prefix lists"
    added = [
        unblock(
            block,
            why=f"The {lists} are full, and of all blocks this one would have ended first, on"
            f" {instants.human(block.ends_at)}.",
            at=at,
        )
        for block in first[: max(needed, 0)]
    ]
    return Reaction.objects.bulk_create(added)
