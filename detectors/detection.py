"""Judges the sums that have changed, and raises findings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, OuterRef
from django.db.models import Sum as SumOf

from detectors import bounds, changes, episodes, past, records, rules
from detectors.bounds import SLOT
from detectors.counting import Added
from detectors.models import Actor, Bucket, Episode, Sum
from detectors.records import Counted, Operation
from detectors.rules import DAY, HOUR, MINUTE, FindingType, Measure, Signal, Situation
from findings import signals

_SURE = (Operation.WRITE_SSE_C, Operation.WRITE_FOREIGN_KMS, Operation.WRITE_LOCKED)


def judge(added: Iterable[Added], counted: Counted, *, at: datetime) -> int:
    """Raises and updates findings in the current transaction. Returns how many.

    Depends on the times of the events, not on `at`, the time of arrival. The rows of the buckets
    must be locked.
    """
    raised: list[dict[str, Any]] = []
    for one in added:
        found = [
            (principal, signal)
            for principal, signal in _signals(one, counted)
            if not one.bucket.allows(principal)
        ]
        raised += episodes.findings(one.bucket, found, counted)
    # Together: ingest locks sums of findings until the commit, in an order of its own.
    if raised:
        signals.detected.send(None, findings=raised, at=at)
    return len(raised)


def _signals(added: Added, counted: Counted) -> list[tuple[str, Signal]]:
    bucket, since, until = added.bucket, added.since, added.until
    found = []
    for change in counted.changes:
        if change.bucket == bucket.name and (signal := changes.signal_of(change)):
            found.append((change.principal, signal))
    actors: dict[str, list[Actor]] = defaultdict(list)
    for actor in Actor.objects.filter(bucket=bucket, principal__in=added.principals):
        actors[actor.principal].append(actor)
    busy = _busy(bucket, added)
    listed = _listed_buckets(added, actors)
    for principal in sorted(added.principals):
        if bucket.is_canary:
            sign = "Nobody uses this bucket: it is a canary."
            found.append((principal, _unauthorized(sign, since, until)))
        situation = Situation(bucket.sensitivity, is_strange=records.is_stranger(principal))
        signal = rules.many_buckets(
            listed.get(principal, 0), situation, first_at=since, last_at=until
        )
        if signal:
            found.append((principal, signal))
        if principal in busy:
            found += [(principal, signal) for signal in _of_volume(added, actors[principal])]
        found += [(principal, signal) for signal in _of_credential(added, actors[principal])]
    return found


def _listed_buckets(added: Added, actors: Mapping[str, Sequence[Actor]]) -> dict[str, int]:
    """Returns how many buckets each principal listed, or tried to, that it did not use before.

    Buckets that are learning do not count. Returns no principal that an enumeration of another
    bucket is told of: many buckets are one finding.
    """
    before = added.since - HOUR
    new = [
        principal
        for principal, rows in actors.items()
        if principal != bounds.OTHERS and min(row.first_at for row in rows) > before
    ]
    if not new:
        return {}
    known = Actor.objects.filter(
        bucket=OuterRef("bucket"), principal=OuterRef("principal"), first_at__lte=before
    )
    lists = Sum.objects.filter(
        actor=OuterRef("pk"), operation__in=[Operation.LIST, Operation.FAILED]
    )
    told = Episode.objects.filter(
        finding_type=FindingType.ENUMERATION, principal__in=new, last_at__gt=before
    ).exclude(bucket=added.bucket)
    rows = Actor.objects.filter(
        Exists(lists),
        ~Exists(known),
        principal__in=new,
        first_at__gt=before,
        first_at__lte=added.until + SLOT,
        bucket__first_event_at__lte=added.since - rules.LEARNING,
    ).exclude(principal__in=told.values("principal"))
    counts = rows.values_list("principal").annotate(n=Count("bucket", distinct=True))
    return dict(counts)


def _busy(bucket: Bucket, added: Added) -> set[str]:
    """Returns the principals that can be over a threshold: a cheap query for all."""
    lowest = min(
        rules.lowest_floor(one, bucket.sensitivity) for one in rules.MEASURES if not one.is_bytes
    )
    lowest_bytes = min(
        rules.lowest_floor(one, bucket.sensitivity) for one in rules.MEASURES if one.is_bytes
    )
    rows = (
        Sum.objects.filter(
            actor__bucket=bucket,
            actor__principal__in=added.principals,
            grain__lte=MINUTE,
            at__gt=added.since - HOUR,
            at__lt=added.until + HOUR,
        )
        .values_list("actor__principal", "operation")
        .annotate(
            n=SumOf(past.COUNT),
            size=SumOf(past.BYTES),
        )
    )
    total: dict[str, float] = defaultdict(float)
    busy = set()
    for principal, operation, count, size in rows:
        total[principal] += count * (rules.BATCH if operation == Operation.DELETE_BATCH else 1)
        if size >= lowest_bytes or operation in _SURE or total[principal] >= lowest:
            busy.add(principal)
    return busy


Series = dict[str, dict[int, tuple[float, float]]]  # count and bytes, by operation and start


def _series(actors: Sequence[Actor], since: int, until: int) -> Series:
    found: Series = defaultdict(dict)
    rows = Sum.objects.filter(
        actor__in=actors, grain__lte=MINUTE, at__gte=since, at__lt=until
    ).values_list("operation", "at", past.COUNT, past.BYTES)
    for operation, at, count, size in rows:
        before = found[operation].get(at, (0, 0))
        found[operation][at] = before[0] + count, before[1] + size
    return found


def _measured(series: Series, measure: Measure) -> list[tuple[int, float]]:
    total: dict[int, float] = defaultdict(float)
    for operation, weight in measure.weights.items():
        for at, (count, size) in series.get(operation, {}).items():
            total[at] += size if measure.is_bytes else count * weight
    return sorted(total.items())


def _of_volume(added: Added, actors: Sequence[Actor]) -> Iterable[Signal]:
    bucket, since, until = added.bucket, added.since, added.until
    series = _series(actors, since - HOUR, until + HOUR)
    counts = {
        operation: sum(count for at, (count, _) in slots.items() if since - HOUR < at <= until)
        for operation, slots in series.items()
    }
    touched = [at for name in _SURE for at in series.get(name, {}) if since <= at <= until]
    if touched and (signal := rules.sure(counts, first_at=min(touched), last_at=max(touched))):
        yield signal
    situation = Situation(
        bucket.sensitivity,
        is_learning=is_learning(bucket, since),
        is_strange=records.is_stranger(actors[0].principal),
    )
    history = past.of_actors(actors, since - past.RECENT)
    strange = [] if situation.is_learning else _strange(actors, since)
    strange_series = _series(strange, since - HOUR, until + HOUR) if strange else {}
    for measure in rules.MEASURES:
        signal = rules.volume(
            measure,
            _measured(series, measure),
            past.hours_of(history, measure),
            situation,
            since=since,
            until=until,
        )
        if not signal and strange:
            signal = rules.volume(
                measure,
                _measured(strange_series, measure),
                (),
                Situation(bucket.sensitivity, is_strange=True),
                since=since,
                until=until,
            )
            if signal:
                signal = signal._replace(sign=f"{signal.sign} It comes from a new network.")
        if signal:
            yield signal


def is_learning(bucket: Bucket, at: int) -> bool:
    """Whether the events of the bucket began less than rules.LEARNING before."""
    return bucket.first_event_at is None or at - bucket.first_event_at < rules.LEARNING


def _strange(actors: Sequence[Actor], at: int) -> list[Actor]:
    """Returns the actors of a known principal whose network is new, if its networks are few."""
    known = [one for one in actors if at - one.first_at >= rules.LEARNING]
    if not known or len(actors) > rules.NETWORKS_MAX:
        return []
    return [one for one in actors if one not in known and "/" in one.source]


def _unauthorized(sign: str, first_at: int, last_at: int) -> Signal:
    return Signal(FindingType.UNAUTHORIZED_USE, 8.0, first_at, last_at, sign, "events", 1, 0, 1, 0)


def _of_credential(added: Added, actors: Sequence[Actor]) -> Iterable[Signal]:
    since, until = added.since, added.until
    active = [one for one in actors if since <= one.last_at <= until + SLOT]
    for actor in active:
        rested = added.dormant.get(actor.access_key, 0)
        if rested >= rules.DORMANT:
            sign = f"The access key was not used for {rested // DAY} days before."
            yield _unauthorized(sign, since, until)
            break
    if is_learning(added.bucket, since):
        return
    # "AROA...:i-0123456789abcdef0" is the session of an instance.
    sessions = {one.source for one in active if ":i-" in one.principal_id}
    new = [one for one in _strange(actors, since) if one.source in sessions]
    if new:
        sign = f"The session of an instance is used from the new network {new[0].source}."
        yield _unauthorized(sign, since, until)
        return
    by_key: dict[str, list[Actor]] = defaultdict(list)
    for actor in actors:
        if actor.access_key and actor.last_at > since - HOUR:
            by_key[actor.access_key].append(actor)
    for uses in by_key.values():
        if len(uses) < 2 or len(actors) > rules.NETWORKS_MAX:
            continue
        slots: dict[int, list[int]] = defaultdict(list)
        rows = Sum.objects.filter(
            actor__in=uses, grain__lte=MINUTE, at__gt=since - HOUR, at__lte=until
        ).values_list("actor_id", "at")
        for pk, at in rows:
            slots[pk].append(at)
        both = rules.alternates(rules.Use(one.source, one.first_at, slots[one.pk]) for one in uses)
        if both:
            sign = (
                f"The access key is used from {both[0]} and from the new network {both[1]} at once."
            )
            yield _unauthorized(sign, since, until)
            return
