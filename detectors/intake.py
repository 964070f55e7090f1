"""Takes log files and single events: counts them, judges the sums, and raises findings.

All that one file changes is committed at once. So a worker that is killed loses nothing and counts
nothing twice: SQS delivers the message again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction

from detectors import counting, detection, marks, records, tags
from detectors.models import Actor, Bucket
from detectors.operations import Canaries
from detectors.records import Counted
from detectors.rules import HOUR
from detectors.tags import TagsOf

logger = logging.getLogger(__name__)


class Taken(NamedTuple):
    """What became of a file or of single events."""

    records: int = 0  # of registered buckets
    findings: int = 0  # raised or updated
    is_repeated: bool = False
    late: int = 0  # of the records; they were not counted
    unreadable: int = 0


def take_file(
    name: str, read: Callable[[int], bytes], *, at: datetime, tags_of: TagsOf = tags.none_of
) -> Taken:
    """Counts a log file once. `name` is that of `marks.name_of_file`. Raises Broken."""
    buckets = {one.name: one for one in Bucket.objects.all()}
    if not buckets:
        return Taken()
    if marks.is_marked(name):
        return Taken(is_repeated=True)
    counted = records.count_file(
        read, buckets, now=int(at.timestamp()), canaries=_canaries(buckets.values())
    )
    if counted.unreadable:
        logger.warning("%s records of a log file were not readable.", counted.unreadable)
    # A file without any such record needs no mark, and most files have none. A copy from a
    # registered bucket to another one is not read there, but counts.
    if not (counted.read or counted.tallies):
        return Taken(unreadable=counted.unreadable)
    spared = _spared(counted, buckets, tags_of)  # not in the transaction: it can ask AWS
    with transaction.atomic():
        if not marks.is_new(name, at=int(at.timestamp()), lasts=marks.FILE_MARK):
            return Taken(is_repeated=True)
        return add(counted, buckets, at, single=False, spared=spared)


def _canaries(buckets: Iterable[Bucket]) -> Canaries:
    whole: list[str] = []
    keys: list[str] = []
    prefixes: list[str] = []
    for bucket in buckets:
        if bucket.is_canary:
            whole.append(bucket.name)
        for line in bucket.canary_keys.splitlines():
            name = f"{bucket.name}/{line.removesuffix('*')}"
            (prefixes if line.endswith("*") else keys).append(name)
    return Canaries(tuple(whole), tuple(keys), tuple(prefixes))


def take_records(
    singles: Iterable[Mapping[str, Any]], *, at: datetime, tags_of: TagsOf = tags.none_of
) -> Taken:
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
    tagged = any(one.allowed_tags for one in buckets.values())
    every = records.count_records(by_id.values(), buckets, now=now) if tagged else None
    spared = _spared(every, buckets, tags_of) if every else frozenset()
    with transaction.atomic():
        room = marks.room_for_singles(now)
        new = [
            by_id[event_id]
            for event_id in sorted(by_id)[:room]
            if marks.is_new(marks.name_of_single(event_id), at=now, lasts=marks.SINGLE_MARK)
        ]
        if room < len(by_id):
            logger.warning("%s single events were left to the log files.", len(by_id) - room)
        counted = records.count_records(new, buckets, now=now, canaries=_canaries(buckets.values()))
        return add(counted, buckets, at, single=True, spared=spared)


def _spared(
    counted: Counted, buckets: Mapping[str, Bucket], tags_of: TagsOf
) -> frozenset[tuple[str, str]]:
    """Returns the buckets with the principals that their tags allow there.

    They are those of `counted`, and newcomers, which are judged together with these.
    """
    allowed = {name: one.allowed_tags for name, one in buckets.items() if one.allowed_tags}
    tallies = [one for one in counted.tallies if one.bucket in allowed]
    if not tallies:
        return frozenset()
    newcomers = Actor.objects.filter(
        bucket__name__in={one.bucket for one in tallies},
        first_at__gt=min(one.at for one in tallies) - HOUR,
    )
    used = {(one.bucket, one.principal) for one in tallies}
    used |= set(newcomers.values_list("bucket__name", "principal"))
    return frozenset(
        (name, principal) for name, principal in used if allowed[name] & tags_of(principal).items()
    )


def add(
    counted: Counted,
    buckets: Mapping[str, Bucket],
    at: datetime,
    *,
    single: bool,
    spared: Collection[tuple[str, str]] = (),
) -> Taken:
    """Adds what was counted, and raises findings, in the current transaction."""
    added = counting.add(counted, buckets, single=single)
    # Until the commit, so that of two workers the second one judges the sums of both, and in one
    # order, so that they do not deadlock.
    names = {one.bucket.name for one in added} | set(counted.late)
    list(Bucket.objects.select_for_update(no_key=True).filter(name__in=names).order_by("name"))
    findings = detection.judge(added, counted, at=at, spared=spared)
    # A single event that is late comes by file as well.
    counting.note_events(added, {} if single else counted.late)
    late = sum(counted.late.values())
    return Taken(counted.read, findings, late=late, unreadable=counted.unreadable)
