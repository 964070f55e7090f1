"""Folds old sums into minutes and hours, and removes what is no longer needed."""

from __future__ import annotations

from collections import defaultdict

from django.db import transaction

from detectors import counting, past
from detectors.bounds import SLOT
from detectors.models import Actor, Episode, KeyUse, Mark, Sum
from detectors.rules import DAY, HOUR, MINUTE
from storage.locks import advisory_lock

KEPT = {SLOT: 3 * HOUR, MINUTE: 26 * HOUR, HOUR: 15 * DAY}  # seconds, by grain
KEY_USES_KEPT = 400 * DAY
EPISODES_KEPT = 90 * DAY
BATCH = 20_000


def fold(now: int) -> None:
    """Folds all sums that are old enough at `now`, in seconds since 1970."""
    while _fold(SLOT, MINUTE, now):
        pass
    while _fold(MINUTE, HOUR, now):
        pass
    Sum.objects.filter(grain=HOUR, at__lt=now - KEPT[HOUR]).delete()
    Actor.objects.filter(last_at__lt=now - KEPT[HOUR] - DAY).delete()
    Mark.objects.filter(expires_at__lt=now).delete()
    KeyUse.objects.filter(last_at__lt=now - KEY_USES_KEPT).delete()
    Episode.objects.filter(last_at__lt=now - EPISODES_KEPT).delete()


@transaction.atomic
def _fold(grain: int, into: int, now: int) -> bool:
    """Folds one batch. Returns whether there may be more."""
    advisory_lock("detectors.fold")
    before = (now - KEPT[grain]) // into * into
    rows = list(
        Sum.objects.select_for_update()
        .filter(grain=grain, at__lt=before)
        .order_by("actor_id", "at", "operation")[:BATCH]
    )
    if len(rows) == BATCH:  # the last interval may not be whole
        last = (rows[-1].actor_id, rows[-1].at // into)
        whole = [row for row in rows if (row.actor_id, row.at // into) != last]
        rows = whole or rows
    groups: dict[tuple[int, int, str], list[Sum]] = defaultdict(list)
    for row in rows:
        groups[row.actor_id, row.at // into * into, row.operation].append(row)
    counting.upsert(
        (
            actor,
            into,
            at,
            operation,
            sum(row.count for row in group),
            sum(row.bytes for row in group),
            sum(row.single_count for row in group),
            sum(row.single_bytes for row in group),
            *(_peaks(group) if into == HOUR else (0, 0)),
        )
        for (actor, at, operation), group in sorted(groups.items())
    )
    Sum.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return bool(rows)


def _peaks(minutes: list[Sum]) -> tuple[int, int]:
    most = past.peaks({row.at: max(row.count, row.single_count) for row in minutes})
    return int(most[0]), int(most[1])
