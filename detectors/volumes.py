"""Volumes that are unusual: of an actor, of its new networks, and of newcomers together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain

from django.db.models import Sum as SumOf

from detectors import bounds, past, rules, situations
from detectors.bounds import SLOT
from detectors.counting import Added
from detectors.models import Actor, Sum
from detectors.operations import Operation
from detectors.rules import HOUR, MEASURES, MINUTE, FindingType, Measure, Signal

ANYBODY = bounds.ANONYMOUS  # a principal that is a stranger
Series = dict[str, dict[int, tuple[float, float]]]  # count and bytes, by operation and start


def of_volumes(added: Added, judged: Mapping[str, Sequence[Actor]]) -> Iterable[tuple[str, Signal]]:
    """Yields what each principal did, with its name, and what it did from new public networks."""
    bucket, since, until = added.bucket, added.since, added.until
    busy = {name: judged[name] for name in sorted(_busy(added, judged))} if judged else {}
    if not busy:
        return
    series = _series(chain(*busy.values()), since - HOUR, until + HOUR)
    of = {name: _together(series[one.pk] for one in rows) for name, rows in busy.items()}
    learning = situations.is_learning(bucket, since)
    situation_of = {name: situations.of(bucket, name, is_learning=learning) for name in busy}

    def over(name: str, hours: past.Past | None) -> dict[str, Signal]:
        """Returns the signals of a principal with this past; None for none."""
        found = {}
        for measure in MEASURES:
            measured, known = _measured(of[name], measure), past.hours_of(hours or {}, measure)
            if signal := rules.volume(
                measure, measured, known, situation_of[name], since=since, until=until
            ):
                found[measure.key] = signal
        return found

    for name, one in of.items():
        if signal := _sure(one, since, until):
            yield name, signal
    # The past can only raise a threshold, so most of the time nobody has to look at it.
    loud = [name for name in of if over(name, None)]
    by_end = defaultdict[int, list[Actor]](list)
    for name in loud:
        by_end[situations.past_until(bucket, busy[name], since)] += busy[name]
    history: dict[str, past.Past] = {}
    for end, actors in by_end.items():
        history |= past.of_actors(actors, end)
    anybody = situations.of(bucket, ANYBODY)
    for name in of:
        found = over(name, history.get(name)) if name in loud else {}
        strange = [] if learning else situations.strange(bucket, busy[name], until)
        apart = _together(series[one.pk] for one in strange)
        is_known = situations.is_known(bucket, busy[name], until)
        new = "It comes from a new network." if is_known else "The principal is new here."
        for measure in MEASURES if strange else ():
            measured, own = _measured(apart, measure), found.get(measure.key)
            signal = rules.volume(measure, measured, (), anybody, since=since, until=until)
            if signal and (own is None or signal.severity > own.severity):
                found[measure.key] = signal._replace(sign=f"{signal.sign} {new}")
        yield from ((name, signal) for signal in found.values())


def of_newcomers(
    added: Added, judged: Mapping[str, Sequence[Actor]], is_allowed: Callable[[str], bool]
) -> Iterable[Signal]:
    """Yields what principals that are all new to the bucket read together, each below the floor.

    Without anonymous callers, who are new every day.
    """
    bucket, since, until = added.bucket, added.since, added.until
    before = since - HOUR
    if situations.is_learning(bucket, since) or not any(
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
        if not is_allowed(one.principal) and not bucket.allows_source(one.source)
    ]
    count = len({one.principal for one in recent} - {bounds.OTHERS})
    if count < 2:
        return
    together = _sum_of(recent, before, until + HOUR)
    situation = situations.of(bucket, bounds.OTHERS)
    for measure in MEASURES:
        if measure.finding_type != FindingType.EXFILTRATION:
            continue
        signal = rules.volume(
            measure, _measured(together, measure), (), situation, since=since, until=until
        )
        if signal:
            sign = f"{signal.sign} {count} principals that never used the bucket did it together."
            yield signal._replace(sign=sign)


def _busy(added: Added, principals: Iterable[str]) -> set[str]:
    """Returns the principals that can be over a threshold: a cheap query for all."""
    situation = situations.of(added.bucket, "")
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
        if size >= lowest_bytes or operation in rules.SURE or total[principal] >= lowest:
            busy.add(principal)
    return busy


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


def _sure(series: Series, since: int, until: int) -> Signal | None:
    counts = {
        operation: sum(count for at, (count, _) in slots.items() if since - HOUR < at <= until)
        for operation, slots in series.items()
    }
    touched = [at for name in rules.SURE for at in series.get(name, {}) if since <= at <= until]
    if not touched:
        return None
    return rules.sure(counts, first_at=min(touched), last_at=max(touched))
