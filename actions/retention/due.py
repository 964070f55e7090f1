"""Which findings may go to the archive. What is in force stays, whatever its age."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from actions.models import (
    CONTAINMENT,
    IN_ORDER,
    ArchiveCopy,
    Attempt,
    Memory,
    Reaction,
    State,
    Verdict,
)
from findings.models import Finding, Status, TriageEntry

Target = tuple[str, str, str]  # kind, name and AWS account


def old(before: datetime, *, now: datetime) -> QuerySet[Finding]:
    """Returns the findings to which nothing has happened since `before`, and that are not open.

    None of them was seen, received, triaged or acted on since. Nobody works on it or has it
    assigned. No action on it waits, is pending, or has still to be lifted. If it was brought back
    from the archive, its time here has ended.
    """
    reactions = Reaction.objects.filter(finding=OuterRef("pk"))
    of_reactions = {"reaction__finding": OuterRef("pk"), "at__gte": before}
    return Finding.objects.filter(
        ~Q(closed_at=None, status=Status.IN_PROGRESS),
        ~Q(closed_at=None, assignee__isnull=False),
        ~Exists(reactions.filter(Q(settled_at=None) | Q(settled_at__gte=before))),
        ~Exists(reactions.filter(lifts_at__isnull=False)),
        ~Exists(TriageEntry.objects.filter(finding=OuterRef("pk"), at__gte=before)),
        ~Exists(Attempt.objects.filter(**of_reactions)),
        ~Exists(Verdict.objects.filter(**of_reactions)),
        ~Exists(Memory.objects.filter(**of_reactions)),
        ~Exists(ArchiveCopy.objects.filter(finding=OuterRef("pk"), until__gt=now)),
        seen_at__lt=before,
        received_at__lt=before,
    )


def finished(pks: Iterable[int]) -> set[int]:
    """Returns those of these old findings whose actions can go with them.

    Two rules keep an action. While its target is contained, all actions on the target stay, since
    what undoes the containment reads them. And an undo stays until the containments before it go,
    which would otherwise be in force again.
    """
    pks = set(pks)
    targets: dict[int, set[Target]] = defaultdict(set)
    undos: list[tuple[int, int, Target]] = []
    rows = Reaction.objects.filter(finding__in=pks, kind__in=IN_ORDER)
    for pk, finding, kind, *target in rows.values_list(
        "pk", "finding_id", "kind", "target_kind", "target", "account_id"
    ):
        one: Target = (target[0], target[1], target[2])
        targets[finding].add(one)
        if kind not in CONTAINMENT:
            undos.append((pk, finding, one))
    if not targets:
        return pks
    about = Reaction.objects.filter(
        target__in={name for each in targets.values() for _, name, _ in each}
    )
    columns = ("target_kind", "target", "account_id")
    real = about.in_force().exclude(state=State.DRY_RUN)
    contained = set(real.values_list(*columns))
    left = {pk for pk in pks if not targets[pk] & contained}
    before: dict[Target, set[tuple[int, int | None]]] = defaultdict(set)
    if undos:
        undone = about.filter(kind__in=CONTAINMENT).values_list("pk", "finding_id", *columns)
        for pk, its_finding, *target in undone:
            before[target[0], target[1], target[2]].add((pk, its_finding))
    is_stable = False
    while not is_stable:
        stuck = {
            finding
            for pk, finding, target in undos
            if finding in left
            and any(earlier < pk and its not in left for earlier, its in before[target])
        }
        left -= stuck
        is_stable = not stuck
    return left
