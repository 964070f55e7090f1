"""When the detectors raise a finding. Pure: no Django, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from detectors.operations import Operation, is_public

MINUTE, FIVE_MINUTES, HOUR, DAY = 60, 300, 3600, 86400
WINDOWS = (MINUTE, FIVE_MINUTES, HOUR)
LEARNING = DAY  # from the first event of a bucket
STRANGE_FACTOR = 0.5  # of the floors, for another account or what is new from the internet
NETWORKS_MAX = 10  # an actor that usually comes from more has no usual networks
QUIET = HOUR  # after which an attack is a new one
DORMANT = 90 * DAY
BATCH = 100  # objects that a DeleteObjects counts as; it does not tell how many
MANY = 20  # writes with a sign that leave no doubt
MANY_BUCKETS = 10  # that a principal lists within an hour and did not use before


class FindingType(StrEnum):
    """The finding types of the catalog."""

    EXFILTRATION = "ThreatReaction:S3Data/Exfiltration"
    WRITE = "ThreatReaction:Ransomware/Write"
    DELETE = "ThreatReaction:Ransomware/Delete"
    ENUMERATION = "ThreatReaction:Ransomware/Enumeration"
    UNAUTHORIZED_USE = "ThreatReaction:IAMCredential/UnauthorizedUse"


class Measure(NamedTuple):
    """What a volume rule counts, and the floor of each window, under which nothing is raised."""

    key: str  # of the floor that a user sets for a bucket
    finding_type: FindingType
    words: str
    weights: Mapping[str, int]  # by operation
    floors: Mapping[int, float]  # by window in seconds
    learning: Mapping[int, float]  # those that alone count while a bucket is learning
    is_bytes: bool = False


_WRITES = [name.value for name in Operation if name.startswith("write")]
MEASURES = (
    Measure(
        "read",
        FindingType.EXFILTRATION,
        "objects read",
        {Operation.READ: 1},
        {MINUTE: 100, FIVE_MINUTES: 250, HOUR: 1000},
        {MINUTE: 5000, FIVE_MINUTES: 20_000, HOUR: 200_000},
    ),
    Measure(
        "read_bytes",
        FindingType.EXFILTRATION,
        "bytes read",
        {Operation.READ: 1},
        {MINUTE: 2 * 2**30, FIVE_MINUTES: 3 * 2**30, HOUR: 5 * 2**30},
        {MINUTE: 20 * 2**30, FIVE_MINUTES: 60 * 2**30, HOUR: 250 * 2**30},
        is_bytes=True,
    ),
    Measure(
        "write",
        FindingType.WRITE,
        "objects written",
        dict.fromkeys(_WRITES, 1),
        {MINUTE: 300, FIVE_MINUTES: 750, HOUR: 3000},
        {MINUTE: 3000, FIVE_MINUTES: 12_000, HOUR: 100_000},
    ),
    Measure(
        "delete",
        FindingType.DELETE,
        "objects deleted",
        {Operation.DELETE: 1, Operation.DELETE_VERSION: 1, Operation.DELETE_BATCH: BATCH},
        {MINUTE: 100, FIVE_MINUTES: 200, HOUR: 400},
        {MINUTE: 500, FIVE_MINUTES: 2000, HOUR: 20_000},
    ),
    Measure(
        "list",
        FindingType.ENUMERATION,
        "objects listed or refused",
        {Operation.LIST: 1, Operation.FAILED: 1},
        {MINUTE: 100, FIVE_MINUTES: 200, HOUR: 500},
        {MINUTE: 2000, FIVE_MINUTES: 8000, HOUR: 60_000},
    ),
)

# By sensitivity: the factor of the floors, and how many deviations from the median are usual.
_SENSITIVITY = {"LOW": (4.0, 16.0), "NORMAL": (1.0, 8.0), "HIGH": (0.5, 5.0)}
_AS_DEVIATION = 1.4826  # of a normal distribution, from its MAD
_LEAST_SPREAD = 0.4  # of the median: a job that always does the same may do more on some day
_LIKE_BEFORE = 1.2  # of the second busiest day, and of the same time a week before
_ABOUT = 2 * HOUR  # the same time
_RAMP_DAYS, _RAMP_STEP = 3, 1.1  # days, each of which is that much above the one before


class Hour(NamedTuple):
    """One hour of an actor's past, in the units of a measure."""

    at: int
    peak_1: float  # the most in one minute
    peak_5: float  # and in five minutes
    total: float


class Signal(NamedTuple):
    """What a rule has found."""

    finding_type: FindingType
    severity: float  # as in GuardDuty, 1.0 to 10.0
    first_at: int
    last_at: int  # seconds since 1970
    sign: str  # a sentence
    words: str = ""  # what was counted
    amount: float = 0
    baseline: float = 0
    threshold: float = 0
    window: int = 0  # seconds


@dataclass(frozen=True, slots=True)
class Situation:
    """What the thresholds depend on."""

    sensitivity: str = "NORMAL"
    is_learning: bool = False
    is_strange: bool = False  # another account, or new and from the internet
    floors: Mapping[str, float] = field(default_factory=dict)  # in an hour, by Measure.key, if set


def usual(
    hours: Sequence[Hour], window: int, sensitivity: str, *, at: int = 0
) -> tuple[float, float]:
    """Returns the median of the past and the most that is usual, both 0 without a past.

    Compares with the hours in which the actor did anything, so that a nightly job has a past. Uses
    the busiest window of each hour, because usual bursts are no attack. Median and MAD ignore an
    earlier attack, and so does the second busiest day. What the actor did a week or two before
    `at` is usual too, because of weekly jobs.
    """
    past = _before_a_ramp([Busy(one.at, _in(one, window)) for one in hours])
    values = [one.amount for one in past if one.amount]
    if not values:
        return 0, 0
    _, deviations = _SENSITIVITY[sensitivity]
    middle = median(values)
    spread = max(median(abs(value - middle) for value in values), _LEAST_SPREAD * middle)
    busiest = sorted(_by_day(past).values())
    second = busiest[-2] if len(busiest) > 1 else 0
    weekly = max(
        (
            one.amount
            for one in past
            if any(abs(at - weeks * 7 * DAY - one.at) <= _ABOUT for weeks in (1, 2))
        ),
        default=0,
    )
    most = middle + deviations * _AS_DEVIATION * spread
    return middle, max(most, _LIKE_BEFORE * max(second, weekly))


class Busy(NamedTuple):
    """The busiest window of an hour."""

    at: int
    amount: float


def _in(hour: Hour, window: int) -> float:
    return {MINUTE: hour.peak_1, FIVE_MINUTES: hour.peak_5, HOUR: hour.total}[window]


def _by_day(past: Iterable[Busy]) -> dict[int, float]:
    days: dict[int, float] = {}
    for one in past:
        days[one.at // DAY] = max(days.get(one.at // DAY, 0), one.amount)
    return days


def _before_a_ramp(past: Sequence[Busy]) -> Sequence[Busy]:
    """Returns the past without its last days, if each of them is well above the day before.

    Else who does somewhat more each day would be usual. A new job does not grow day by day.
    """
    days = sorted(_by_day(past).items())
    grown = days[-_RAMP_DAYS - 1 :]
    if len(days) <= _RAMP_DAYS + 1 or not all(
        later >= _RAMP_STEP * before for (_, before), (_, later) in pairwise(grown)
    ):
        return past
    return [one for one in past if one.at // DAY <= grown[0][0]]


def threshold(
    measure: Measure, window: int, hours: Sequence[Hour], situation: Situation, *, at: int = 0
) -> tuple[float, float]:
    """Returns the median of the past, and the amount in a window from which a finding is raised."""
    floor = _floor(measure, window, situation)
    if situation.is_learning:
        return 0, floor
    # Of bytes, no peaks of minutes are kept: the whole hour is usual in a minute too.
    unit = HOUR if measure.is_bytes else window
    middle, most = usual(hours, unit, situation.sensitivity, at=at)
    return middle, max(floor, most)


def _floor(measure: Measure, window: int, situation: Situation) -> float:
    factor, _ = _SENSITIVITY[situation.sensitivity]
    if measure.key in situation.floors:
        floor = situation.floors[measure.key] * measure.floors[window] / measure.floors[HOUR]
    else:
        floor = (measure.learning if situation.is_learning else measure.floors)[window] * factor
    return floor * STRANGE_FACTOR if situation.is_strange and not situation.is_learning else floor


def lowest_floor(measure: Measure, situation: Situation) -> float:
    """Returns an amount in an hour under which no window can raise a finding."""
    strange = replace(situation, is_strange=True, is_learning=False)
    return min(_floor(measure, window, strange) for window in measure.floors)


def in_window(
    series: Sequence[tuple[int, float]], window: int, least: float, *, since: int, until: int
) -> tuple[int, int, float] | None:
    """Returns the window with the largest sum, if that is at least `least`.

    `series` has the start of each slot and its amount, in order. A window contains a slot from
    `since` to `until`. Returns its first and last slot and its sum.
    """
    best = None
    total, first = 0.0, 0
    for at, amount in series:
        total += amount
        while series[first][0] <= at - window:
            total -= series[first][1]
            first += 1
        is_new = at >= since and series[first][0] <= until
        if is_new and total >= least and (best is None or total > best[2]):
            best = (series[first][0], at, total)
    return best


def volume(
    measure: Measure,
    series: Sequence[tuple[int, float]],
    hours: Sequence[Hour],
    situation: Situation,
    *,
    since: int,
    until: int,
) -> Signal | None:
    """Returns the signal of the window that is furthest beyond its threshold, if one is."""
    found: Signal | None = None
    ratio = 0.0
    for window in measure.floors:
        middle, least = threshold(measure, window, hours, situation, at=since)
        best = in_window(series, window, least, since=since, until=until)
        if best and best[2] / least > ratio:
            first_at, last_at, amount = best
            ratio = amount / least
            span = "1 minute" if window == MINUTE else f"{window // MINUTE} minutes"
            found = Signal(
                measure.finding_type,
                _severity(ratio),
                first_at,
                last_at,
                f"{amount:.0f} {measure.words} within {span}; from {least:.0f} it is unusual.",
                measure.words,
                amount,
                middle,
                least,
                window,
            )
    return found


def _severity(ratio: float) -> float:
    if ratio >= 10:
        return 8.0
    return 7.0 if ratio >= 3 else 5.0


SURE = {
    Operation.WRITE_SSE_C: (1, "written with a key that only the caller has (SSE-C)."),
    Operation.WRITE_FOREIGN_KMS: (1, "written with a KMS key of another account."),
    Operation.WRITE_LOCKED: (MANY, "written with an extension of ransomware."),
}


def sure(counts: Mapping[str, float], *, first_at: int, last_at: int) -> Signal | None:
    """Returns the signal of writes that no usual traffic contains; `counts` are of one hour."""
    signs, most = [], 0.0
    for operation, (least, words) in SURE.items():
        if (count := counts.get(operation, 0)) >= least:
            signs.append(f"{_objects(count)} {words}")
            most = max(most, count)
    if not signs:
        return None
    if note := counts.get(Operation.WRITE_NOTE, 0):
        signs.append(f"{_objects(note)} named like a ransom note.")
    return Signal(
        FindingType.WRITE,
        9.0 if most >= MANY or note else 8.0,
        first_at,
        last_at,
        " ".join(signs),
        "objects written",
        most,
        0,
        1,
        HOUR,
    )


def _objects(count: float) -> str:
    return "1 object" if count == 1 else f"{count:.0f} objects"


def many_buckets(count: int, situation: Situation, *, first_at: int, last_at: int) -> Signal | None:
    """Returns the signal of a principal that lists buckets which it did not use before."""
    least = MANY_BUCKETS * _SENSITIVITY[situation.sensitivity][0]
    if situation.is_strange:
        least *= STRANGE_FACTOR
    if count < least:
        return None
    return Signal(
        FindingType.ENUMERATION,
        _severity(count / least),
        first_at,
        last_at,
        f"{count} buckets listed within 60 minutes that the principal did not use before.",
        "buckets listed",
        count,
        0,
        least,
        HOUR,
    )


def unauthorized(sign: str, *, first_at: int, last_at: int) -> Signal:
    """Returns the signal of a use that nobody should make."""
    return Signal(FindingType.UNAUTHORIZED_USE, 8.0, first_at, last_at, sign, "events", 1, 0, 1, 0)


class Use(NamedTuple):
    """The use of an access key from one network."""

    source: str
    first_seen_at: int  # of this network on this bucket, ever
    slots: Sequence[int]  # of the last hour


def alternates(uses: Iterable[Use]) -> tuple[str, str] | None:
    """Returns a usual network and a new one from which a key is used by turns within an hour.

    A person who travels, or turns on a VPN, changes once and does not come back at once.
    """
    every = [one for one in uses if one.slots and "/" in one.source]
    for new in every:
        for known in every:
            if (
                is_public(new.source)
                and new.first_seen_at - known.first_seen_at >= LEARNING
                and min(known.slots) < min(new.slots)
                and max(known.slots) > min(new.slots)
            ):
                return known.source, new.source
    return None
