"""What the pages and the API tell of the buckets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from django.db.models import F, OuterRef, Subquery
from django.db.models import Sum as SumOf
from django.db.models.functions import Mod

from detectors import operations, past, rules, situations
from detectors.models import Actor, Bucket, Episode, Sensitivity, Sum
from detectors.rules import DAY, HOUR, MEASURES, MINUTE, Measure, Situation
from findings.models import Finding

WIDTH, HEIGHT = 336, 60  # of a chart
TOP_ACTORS = 10
SPARK = 60  # minutes
PREVIEWED = 200  # actors

Values = dict[int, float]  # by start


@dataclass(frozen=True, slots=True)
class Row:
    """A registered bucket in the list."""

    bucket: Bucket
    state: str
    hint: str  # why no events arrive, or ""
    last_event_at: datetime | None
    last_finding: Finding | None
    busiest: int  # events a minute in the last SPARK minutes
    spark: str  # these events, as the points of a line


def instant(at: int | None) -> datetime | None:
    """Returns the time of an event as a date and time."""
    return None if at is None else datetime.fromtimestamp(at, UTC)


def state_of(bucket: Bucket, now: int) -> str:
    """Returns "Waiting for events", "Learning" or "Watching"."""
    if bucket.first_event_at is None:
        return "Waiting for events"
    return "Learning" if situations.is_learning(bucket, now) else "Watching"


def rows(now: int, *, names: Sequence[str] | None = None) -> list[Row]:
    """Returns the registered buckets by name."""
    every = Bucket.objects.order_by("name")
    buckets = list(every if names is None else every.filter(name__in=names))
    newest = Episode.objects.filter(bucket=OuterRef("pk")).order_by("-last_at", "-pk")
    last = dict(
        every.filter(pk__in=[one.pk for one in buckets]).values_list(
            "pk", Subquery(newest.values("finding_id")[:1])
        )
    )
    found = {one.finding_id: one for one in Finding.objects.filter(finding_id__in=last.values())}
    since = now - now % MINUTE - (SPARK - 1) * MINUTE
    minutes: dict[int, Values] = defaultdict(lambda: defaultdict(float))
    sums = Sum.objects.filter(actor__bucket__in=buckets, grain__lte=MINUTE, at__gte=since)
    by_minute = sums.annotate(minute=F("at") - Mod("at", MINUTE))
    columns = by_minute.values_list("actor__bucket_id", "minute")
    for pk, at, count in columns.annotate(n=SumOf(past.COUNT)):
        minutes[pk][(at - since) // MINUTE] = count
    made = []
    for bucket in buckets:
        per_minute = [int(minutes[bucket.pk].get(n, 0)) for n in range(SPARK)]
        made.append(
            Row(
                bucket,
                state_of(bucket, now),
                _hint(bucket, now),
                instant(bucket.last_event_at),
                found.get(last[bucket.pk] or ""),
                max(per_minute),
                _points(per_minute),
            )
        )
    return made


def _hint(bucket: Bucket, now: int) -> str:
    if bucket.last_event_at is None:
        return (
            "No events yet. Check that the trail logs data events of this bucket, that its bucket"
            " notifies the queue EVENTS_QUEUE_URL, and that manage.py processevents runs."
        )
    if now - bucket.last_event_at > DAY:
        return "No events for a day. The bucket is quiet, or the trail or the worker has stopped."
    return ""


def _points(values: Sequence[float]) -> str:
    top = max(values, default=0) or 1
    return " ".join(f"{n},{18 - 16 * value / top:.1f}" for n, value in enumerate(values))


@dataclass(frozen=True, slots=True)
class Chart:
    """What was done to a bucket, by hour, against the band that is usual."""

    measure: Measure
    bars: list[tuple[int, float, float, datetime, int]]  # x, y, height, hour, amount
    highest: int
    middle: int
    usual: int
    band_y: float
    band_height: float
    middle_y: float
    total: int


def charts(bucket: Bucket, now: int) -> list[Chart]:
    """Returns the charts of the last 14 days: reads, writes, deletions and lists."""
    history: past.Past = defaultdict(lambda: defaultdict(lambda: [0, 0, 0, 0]))
    rows = (
        Sum.objects.filter(actor__bucket=bucket, at__gte=now - WIDTH * HOUR)
        .annotate(hour=F("at") - Mod("at", HOUR))
        .values_list("operation", "hour")
        .annotate(n=SumOf(past.COUNT))
    )
    for operation, hour, count in rows:
        history[operation][hour][2] += count
    return [_chart(one, history, bucket.sensitivity, now) for one in MEASURES if not one.is_bytes]


def _chart(measure: Measure, history: past.Past, sensitivity: str, now: int) -> Chart:
    hours = past.hours_of(history, measure)
    amounts = {one.at: one.total for one in hours}
    before = [one for one in hours if one.at < now - situations.RECENT]
    middle, usual = rules.usual(before, HOUR, sensitivity)
    first = now - now % HOUR - (WIDTH - 1) * HOUR
    highest = max([*amounts.values(), usual, 1])
    scale = HEIGHT / highest
    bars = [
        (n, HEIGHT - amount * scale, amount * scale, datetime.fromtimestamp(at, UTC), int(amount))
        for n in range(WIDTH)
        if (amount := amounts.get(at := first + n * HOUR, 0))
    ]
    return Chart(
        measure,
        bars,
        int(highest),
        int(middle),
        int(usual),
        HEIGHT - usual * scale,
        usual * scale,
        HEIGHT - middle * scale,
        int(sum(amounts.values())),
    )


@dataclass(frozen=True, slots=True)
class TopActor:
    """An actor with what it did in the last 14 days."""

    principal: str
    counts: list[tuple[int, str]]  # by measure, with what is counted
    last_at: datetime | None


def top_actors(bucket: Bucket) -> list[TopActor]:
    """Returns the actors with the most operations."""
    busiest = _busiest(bucket, TOP_ACTORS)
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    sums = Sum.objects.filter(actor__bucket=bucket, actor__principal__in=busiest)
    columns = sums.values_list("actor__principal", "operation")
    for principal, operation, count in columns.annotate(n=SumOf(past.COUNT)):
        counts[principal][operation] = count
    seen = Actor.objects.filter(bucket=bucket, principal__in=busiest).order_by("last_at")
    last = dict(seen.values_list("principal", "last_at"))
    return [
        TopActor(
            one,
            [
                (
                    sum(counts[one].get(name, 0) * n for name, n in measure.weights.items()),
                    measure.words,
                )
                for measure in MEASURES
                if not measure.is_bytes
            ],
            instant(last[one]),
        )
        for one in busiest
    ]  # fmt: skip


def _busiest(bucket: Bucket, number: int) -> list[str]:
    rows = (
        Sum.objects.filter(actor__bucket=bucket)
        .values_list("actor__principal")
        .annotate(n=SumOf(past.COUNT))
        .order_by("-n", "actor__principal")
    )
    return [principal for principal, _ in rows[:number]]


def preview(bucket: Bucket, now: int) -> dict[str, int]:
    """Returns how many findings each sensitivity would have raised in the last 14 days.

    Of the volumes of the busiest actors, by the hours of the sums. A principal that is new and
    comes from the internet has half the floors; its new networks later are not looked at apart.
    Sure signs do not depend on the sensitivity.
    """
    busiest = [one for one in _busiest(bucket, PREVIEWED) if not bucket.allows(one)]
    actors: dict[str, list[Actor]] = defaultdict(list)
    for one in Actor.objects.filter(bucket=bucket, principal__in=busiest):
        actors[one.principal].append(one)
    raised = dict.fromkeys(Sensitivity.values, 0)
    for principal, history in past.of_principals(bucket, busiest, now + 1).items():
        situation = situations.of(bucket, principal)
        for measure in MEASURES:
            hours = past.hours_of(history, measure)
            for sensitivity in raised:
                raised[sensitivity] += _episodes(
                    bucket,
                    actors[principal],
                    measure,
                    hours,
                    replace(situation, sensitivity=sensitivity),
                )
    return raised


def _episodes(
    bucket: Bucket,
    actors: Sequence[Actor],
    measure: Measure,
    hours: Sequence[rules.Hour],
    situation: Situation,
) -> int:
    def before(now: rules.Hour) -> list[rules.Hour]:
        until = situations.past_until(bucket, actors, now.at)
        return [one for one in hours if one.at < until]

    is_public = any(operations.is_public(one.source) for one in actors)
    raised, last = 0, None
    for one in hours:
        is_new = not situations.is_known(bucket, actors, one.at)
        then = replace(
            situation,
            is_learning=situations.is_learning(bucket, one.at),
            is_strange=situation.is_strange or (is_new and is_public),
        )
        amounts = {MINUTE: one.peak_1, rules.FIVE_MINUTES: one.peak_5, HOUR: one.total}
        if any(
            # A cheap look first: the past can only raise the threshold.
            amounts[window] >= rules.threshold(measure, window, (), then)[1]
            and amounts[window] >= rules.threshold(measure, window, before(one), then, at=one.at)[1]
            for window in measure.floors
        ):
            if last is None or one.at - last > 2 * HOUR:
                raised += 1
            last = one.at
    return raised
