"""Takes log files and single events: counts them, judges the sums, and raises findings.

All that one file changes is committed at once. So a worker that is killed loses nothing and counts
nothing twice: SQS delivers the message again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction

from detectors import counting, detection, records
from detectors.models import Bucket
from detectors.records import Counted

logger = logging.getLogger(__name__)


class Taken(NamedTuple):
    """What became of a file or of single events."""

    records: int = 0  # of registered buckets
    findings: int = 0  # raised or updated
    is_repeated: bool = False
    late: int = 0  # of the records; they were not counted
    unreadable: int = 0


def take_file(name: str, read: Callable[[int], bytes], *, at: datetime) -> Taken:
    """Counts a log file once. `name` is that of `counting.name_of_file`. Raises Broken."""
    buckets = {one.name: one for one in Bucket.objects.all()}
    if not buckets:
        return Taken()
    if counting.is_marked(name):
        return Taken(is_repeated=True)
    counted = records.count_file(read, buckets, now=int(at.timestamp()))
    if counted.unreadable:
        logger.warning("%s records of a log file were not readable.", counted.unreadable)
    # A file without any such record needs no mark, and most files have none. A copy from a
    # registered bucket to another one is not read there, but counts.
    if not (counted.read or counted.tallies):
        return Taken(unreadable=counted.unreadable)
    with transaction.atomic():
        lasts = counting.FILE_MARK
        if not counting.is_new(name, at=int(at.timestamp()), lasts=lasts):
            return Taken(is_repeated=True)
        return add(counted, buckets, at, single=False)


def take_records(singles: Iterable[Mapping[str, Any]], *, at: datetime) -> Taken:
    """Counts single events, each once."""
    buckets = {one.name: one for one in Bucket.objects.all()}
    now = int(at.timestamp())
    by_id = {
        one["eventID"]: one
        for one in singles
        if isinstance(one.get("eventID"), str) and records.names_any(one, buckets)
    }
    if not by_id:
        return Taken()
    with transaction.atomic():
        room = counting.room_for_singles(now)
        new = [
            by_id[event_id]
            for event_id in sorted(by_id)[:room]
            if counting.is_new(
                counting.name_of_single(event_id), at=now, lasts=counting.SINGLE_MARK
            )
        ]
        if room < len(by_id):
            logger.warning("%s single events were left to the log files.", len(by_id) - room)
        counted = records.count_records(new, buckets, now=now)
        return add(counted, buckets, at, single=True)


def add(counted: Counted, buckets: Mapping[str, Bucket], at: datetime, *, single: bool) -> Taken:
    """Adds what was counted, and raises findings, in the current transaction."""
    added = counting.add(counted, buckets, single=single)
    # Until the commit, so that of two workers the second one judges the sums of both, and in one
    # order, so that they do not deadlock.
    names = {one.bucket.name for one in added} | set(counted.late)
    list(Bucket.objects.select_for_update(no_key=True).filter(name__in=names).order_by("name"))
    findings = detection.judge(added, counted, at=at)
    # A single event that is late comes by file as well.
    counting.note_events(added, {} if single else counted.late)
    late = sum(counted.late.values())
    return Taken(counted.read, findings, late=late, unreadable=counted.unreadable)
