"""Judges the sums that have changed, and raises findings."""

from __future__ import annotations

import ipaddress
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from django.conf import settings
from django.db.models import Count, Exists, OuterRef
from django.db.models import Sum as SumOf

from detectors import bounds, changes, episodes, past, records, rules
from detectors.bounds import SLOT
from detectors.counting import Added
from detectors.models import Actor, Bucket, Episode, Sum
from detectors.records import Counted, Operation
from detectors.rules import DAY, HOUR, MEASURES, MINUTE, FindingType, Measure, Signal, Situation
from findings import signals

ANYBODY = bounds.ANONYMOUS  # a principal that is a stranger
# "AROA...:i-0123456789abcdef0" is the session of an instance; "AROA...:i-smith" is a person's.
_of_an_instance = re.compile(r":i-(?:[0-9a-f]{8}|[0-9a-f]{17})\Z")
_SURE = (Operation.WRITE_SSE_C, Operation.WRITE_FOREIGN_KMS, Operation.WRITE_LOCKED)


def judge(
    added: Iterable[Added],
    counted: Counted,
    *,
    at: datetime,
    spared: Collection[tuple[str, str]] = (),
) -> int:
    """Raises and updates findings in the current transaction. Returns how many.

    `spared` are names of buckets with a principal that its tags allow there.

    Depends on the times of the events, not on `at`, the time of arrival. The rows of the buckets
    must be locked.
    """
    raised: list[dict[str, Any]] = []
    for one in added:
        found = [
            (principal, signal)
            for principal, signal in _signals(one, counted)
            if not one.bucket.allows(principal) and (one.bucket.name, principal) not in spared
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
        if not bucket.allows_source(actor.source):
            actors[actor.principal].append(actor)
    judged = {
        principal: rows
        for principal, rows in sorted(actors.items())
        if any(one.pk in added.actors for one in rows) and not bucket.allows(principal)
    }
    listed = _listed_buckets(added, judged)
    for principal, rows in judged.items():
        if sign := _canary(added, rows):
            found.append((principal, _unauthorized(sign, since, until)))
        situation = _situation(bucket, principal)
        signal = rules.many_buckets(
            listed.get(principal, 0), situation, first_at=since, last_at=until
        )
        if signal:
            found.append((principal, signal))
        found += [(principal, signal) for signal in _of_credential(added, rows)]
    found += _of_volumes(added, judged)
    if not any(signal.finding_type == FindingType.EXFILTRATION for _, signal in found):
        found += [(bounds.OTHERS, signal) for signal in _of_newcomers(added, judged)]
    return found


def _canary(added: Added, actors: Sequence[Actor]) -> str:
    if added.bucket.is_canary:
        return "Nobody uses this bucket: it is a canary."
    if any(one.pk in added.touched for one in actors):
        return "A canary key was used, which nobody uses."
    return ""


def _situation(bucket: Bucket, principal: str, **more: bool) -> Situation:
    return Situation(
        bucket.sensitivity,
        is_strange=records.is_stranger(principal),
        floors=bucket.floors or {},
        **more,
    )


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


def _busy(added: Added, principals: Iterable[str]) -> set[str]:
    """Returns the principals that can be over a threshold: a cheap query for all."""
    situation = _situation(added.bucket, "")
    lowest, lowest_bytes = (
        min(rules.lowest_floor(one, situation) for one in MEASURES if one.is_bytes is is_bytes)
        for is_bytes in (False, True)
    )
    rows = (
        Sum.objects.filter(
            actor__bucket=added.bucket,
            actor__principal__in=principals,
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


def _series(actors: Iterable[Actor], since: int, until: int) -> dict[int, Series]:
    """Returns what each of the actors did, by primary key."""
    found: dict[int, Series] = defaultdict(lambda: defaultdict(dict))
    rows = Sum.objects.filter(
        actor__in=list(actors), grain__lte=MINUTE, at__gte=since, at__lt=until
    ).values_list("actor_id", "operation", "at", past.COUNT, past.BYTES)
    for pk, operation, at, count, size in rows:
        found[pk][operation][at] = count, size
    return found


def _together(series: Iterable[Series]) -> Series:
    found: Series = defaultdict(dict)
    for one in series:
        for operation, slots in one.items():
            for at, (count, size) in slots.items():
                before = found[operation].get(at, (0, 0))
                found[operation][at] = before[0] + count, before[1] + size
    return found


def _sum_of(actors: Iterable[Actor], since: int, until: int) -> Series:
    """Returns what the actors read together. The database adds: of strangers there can be many."""
    found: Series = defaultdict(dict)
    rows = (
        Sum.objects.filter(
            actor__in=list(actors),
            operation=Operation.READ,
            grain__lte=MINUTE,
            at__gte=since,
            at__lt=until,
        )
        .values_list("operation", "at")
        .annotate(n=SumOf(past.COUNT), size=SumOf(past.BYTES))
    )
    for operation, at, count, size in rows:
        found[operation][at] = count, size
    return found


def _measured(series: Series, measure: Measure) -> list[tuple[int, float]]:
    total: dict[int, float] = defaultdict(float)
    for operation, weight in measure.weights.items():
        for at, (count, size) in series.get(operation, {}).items():
            total[at] += size if measure.is_bytes else count * weight
    return sorted(total.items())


def _of_volumes(
    added: Added, judged: Mapping[str, Sequence[Actor]]
) -> Iterable[tuple[str, Signal]]:
    bucket, since, until = added.bucket, added.since, added.until
    busy = {name: judged[name] for name in sorted(_busy(added, judged))} if judged else {}
    if not busy:
        return
    series = _series(chain(*busy.values()), since - HOUR, until + HOUR)
    of = {name: _together(series[one.pk] for one in rows) for name, rows in busy.items()}
    learning = is_learning(bucket, since)
    situations = {name: _situation(bucket, name, is_learning=learning) for name in busy}

    def over(name: str, hours: past.Past | None) -> dict[str, Signal]:
        """Returns the signals of a principal with this past; None for none."""
        found = {}
        for measure in MEASURES:
            measured, known = _measured(of[name], measure), past.hours_of(hours or {}, measure)
            if signal := rules.volume(
                measure, measured, known, situations[name], since=since, until=until
            ):
                found[measure.key] = signal
        return found

    for name, one in of.items():
        if signal := _sure(one, since, until):
            yield name, signal
    # The past can only raise a threshold, so most of the time nobody has to look at it.
    loud = [name for name in of if over(name, None)]
    history = past.of_actors(chain(*(busy[name] for name in loud)), since - past.RECENT)
    for name in of:
        found = over(name, history.get(name)) if name in loud else {}
        yield from ((name, signal) for signal in found.values())
        strange = [] if learning else _strange(busy[name], since)
        if not strange:
            continue
        apart = _together(series[one.pk] for one in strange)
        situation = _situation(bucket, ANYBODY)
        for measure in MEASURES:
            if measure.key not in found and (
                signal := rules.volume(
                    measure, _measured(apart, measure), (), situation, since=since, until=until
                )
            ):
                sign = f"{signal.sign} It comes from a new network."
                yield name, signal._replace(sign=sign)


def _of_newcomers(added: Added, judged: Mapping[str, Sequence[Actor]]) -> Iterable[Signal]:
    """Yields what principals that are all new to the bucket read together, each below the floor.

    Without anonymous callers, who are new every day.
    """
    bucket, since, until = added.bucket, added.since, added.until
    before = since - HOUR
    if is_learning(bucket, since) or not any(
        one.first_at > before for rows in judged.values() for one in rows
    ):
        return
    rows = Actor.objects.filter(bucket=bucket).exclude(principal__startswith=bounds.ANONYMOUS)
    old = rows.filter(first_at__lte=before)
    recent = [
        one
        for one in rows.filter(first_at__gt=before, first_at__lte=until + SLOT).exclude(
            principal__in=old.values("principal")
        )
        if not bucket.allows(one.principal) and not bucket.allows_source(one.source)
    ]
    count = len({one.principal for one in recent} - {bounds.OTHERS})
    if count < 2:
        return
    together = _sum_of(recent, before, until + HOUR)
    situation = _situation(bucket, bounds.OTHERS)
    for measure in MEASURES:
        if measure.finding_type != FindingType.EXFILTRATION:
            continue
        signal = rules.volume(
            measure, _measured(together, measure), (), situation, since=since, until=until
        )
        if signal:
            sign = f"{signal.sign} {count} principals that never used the bucket did it together."
            yield signal._replace(sign=sign)


def _sure(series: Series, since: int, until: int) -> Signal | None:
    counts = {
        operation: sum(count for at, (count, _) in slots.items() if since - HOUR < at <= until)
        for operation, slots in series.items()
    }
    touched = [at for name in _SURE for at in series.get(name, {}) if since <= at <= until]
    if not touched:
        return None
    return rules.sure(counts, first_at=min(touched), last_at=max(touched))


def is_learning(bucket: Bucket, at: int) -> bool:
    """Whether the events of the bucket began less than rules.LEARNING before."""
    return bucket.first_event_at is None or at - bucket.first_event_at < rules.LEARNING


def _strange(actors: Sequence[Actor], at: int) -> list[Actor]:
    """Returns the actors of a known principal whose network is new, if its networks are few."""
    known = [one for one in actors if at - one.first_at >= rules.LEARNING]
    if not known or len(actors) > rules.NETWORKS_MAX:
        return []
    return [one for one in actors if one not in known and "/" in one.source]


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def own_addresses() -> list[Network]:
    """Returns the networks of OWN_ADDRESSES. Raises ValueError if one is invalid.

    A system check reports an invalid value at startup.
    """
    return [ipaddress.ip_network(one.strip(), strict=False) for one in settings.OWN_ADDRESSES]


def _is_away(address: str, own: Sequence[Network]) -> bool:
    """Whether it is a public address that is not one of the own networks."""
    try:
        number = ipaddress.ip_address(address)
    except ValueError:
        return False  # a service
    return number.is_global and not any(number in network for network in own)


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
    sessions = {one.source for one in active if _of_an_instance.search(one.principal_id)}
    own = own_addresses()
    if own:
        away = [one for one in active if one.source in sessions and _is_away(one.address, own)]
        if away:
            sign = (
                f"The session of an instance is used from {away[0].address}, which is not in"
                " OWN_ADDRESSES."
            )
            yield _unauthorized(sign, since, until)
            return
    if is_learning(added.bucket, since):
        return
    new = [] if own else [one for one in _strange(actors, since) if one.source in sessions]
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
