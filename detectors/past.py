"""What actors did in the last 14 days, from sums of any length."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from django.db.models import QuerySet
from django.db.models.functions import Greatest

from detectors import rules
from detectors.models import Actor, Bucket, Sum
from detectors.rules import DAY, HOUR, MINUTE, Hour, Measure

HISTORY = 14 * DAY
COUNT = Greatest("count", "single_count")
BYTES = Greatest("bytes", "single_bytes")

Past = dict[str, dict[int, list[float]]]


def of_actors(actors: Iterable[Actor], until: int) -> dict[str, Past]:
    """Returns the past of these actors together, for each of their principals.

    It has peak_1, peak_5, count and bytes of each hour of the last 14 days, by operation.
    """
    return _pasts(Sum.objects.filter(actor__in=list(actors)), until)


def of_principals(bucket: Bucket, principals: Sequence[str], until: int) -> dict[str, Past]:
    """Returns the past of each of the principals of a bucket."""
    rows = Sum.objects.filter(actor__bucket=bucket, actor__principal__in=principals)
    return _pasts(rows, until)


def _pasts(rows: QuerySet[Sum], until: int) -> dict[str, Past]:
    found: dict[str, Past] = defaultdict(lambda: defaultdict(dict))
    rows = rows.filter(at__gte=until - HISTORY, at__lt=until)
    hours = rows.filter(grain=HOUR).values_list(
        "actor__principal", "operation", "at", "peak_1", "peak_5", COUNT, BYTES
    )
    for principal, operation, at, *amounts in hours:
        _add(found[principal][operation], at, amounts)
    by_hour: dict[tuple[str, str, int], dict[int, list[float]]] = defaultdict(dict)
    smaller = rows.filter(grain__lte=MINUTE)
    for principal, operation, at, count, size in smaller.values_list(
        "actor__principal", "operation", "at", COUNT, BYTES
    ):
        row = by_hour[principal, operation, at - at % HOUR].setdefault(at - at % MINUTE, [0, 0])
        row[0] += count
        row[1] += size
    for (principal, operation, hour), minutes in by_hour.items():
        counts = {at: row[0] for at, row in minutes.items()}
        sizes = (row[1] for row in minutes.values())
        _add(found[principal][operation], hour, [*peaks(counts), sum(counts.values()), sum(sizes)])
    return found


def _add(hours: dict[int, list[float]], at: int, amounts: Iterable[float]) -> None:
    before = hours.get(at, [0, 0, 0, 0])
    hours[at] = [one + more for one, more in zip(before, amounts, strict=True)]


def peaks(minutes: Mapping[int, float]) -> tuple[float, float]:
    """Returns the most in one minute and in five minutes of an hour."""
    series = sorted(minutes.items())
    most = [0.0, 0.0]
    for number, window in enumerate((MINUTE, 5 * MINUTE)):
        best = rules.in_window(series, window, 0, since=0, until=2**62)
        most[number] = best[2] if best else 0
    return most[0], most[1]


def hours_of(history: Past, measure: Measure) -> list[Hour]:
    """Returns the past in the units of a measure."""
    found: dict[int, list[float]] = defaultdict(lambda: [0, 0, 0])
    for operation, weight in measure.weights.items():
        for at, (peak_1, peak_5, count, size) in history.get(operation, {}).items():
            row = found[at]
            amounts = (
                (0, 0, size)
                if measure.is_bytes
                else (peak_1 * weight, peak_5 * weight, count * weight)
            )
            for number, amount in enumerate(amounts):
                row[number] += amount
    return [Hour(at, *row) for at, row in sorted(found.items())]
