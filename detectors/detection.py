"""Judges the sums that have changed, and raises findings."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.conf import settings
from django.db.models import F, QuerySet, Value
from django.db.models import Sum as SumOf
from django.db.models.functions import Greatest

from detectors import document, records, rules
from detectors.counting import Added
from detectors.document import Evidence, Who
from detectors.models import Actor, Bucket, Episode, Sum
from detectors.records import SLOT, Counted, Operation
from detectors.rules import DAY, HOUR, MINUTE, FindingType, Hour, Measure, Signal, Situation
from findings import signals

HISTORY = 14 * DAY
# What came just before is no past: an attack would be usual when it is repeated. It is less than a
# day, so that what a job did yesterday counts, also if it begins earlier today.
RECENT = 22 * HOUR
SIGNS_MAX = 20
STRANGERS_MAX = 20  # findings about strangers that go on at a time, on one bucket
DISARMED_FOR = DAY  # after a change of the settings, deletions are graver
COUNT = Greatest("count", "single_count")
BYTES = Greatest("bytes", "single_bytes")
_SURE = (Operation.WRITE_SSE_C, Operation.WRITE_FOREIGN_KMS, Operation.WRITE_LOCKED)


def judge(added: Iterable[Added], counted: Counted, *, at: datetime) -> int:
    """Raises and updates findings in the current transaction. Returns how many.

    Depends on the times of the events, not on `at`, the time of arrival.
    """
    raised = 0
    for one in added:
        found = [
            (principal, signal)
            for principal, signal in _signals(one, counted)
            if not one.bucket.allows(principal)
        ]
        raised += _raise(one, found, counted, at)
    return raised


def _signals(added: Added, counted: Counted) -> list[tuple[str, Signal]]:
    bucket, since, until = added.bucket, added.since, added.until
    found = []
    for change in counted.changes:
        if change.bucket == bucket.name and (signal := rules.change(change)):
            found.append((change.principal, signal))
    actors: dict[str, list[Actor]] = defaultdict(list)
    for actor in Actor.objects.filter(bucket=bucket, principal__in=added.principals):
        actors[actor.principal].append(actor)
    busy = _busy(bucket, added)
    for principal in sorted(added.principals):
        if bucket.is_canary:
            sign = "Nobody uses this bucket: it is a canary."
            found.append((principal, _unauthorized(sign, since, until)))
        if principal in busy:
            found += [(principal, signal) for signal in _of_volume(added, actors[principal])]
        found += [(principal, signal) for signal in _of_credential(added, actors[principal])]
    return found


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
            n=SumOf(COUNT),
            size=SumOf(BYTES),
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
    ).values_list("operation", "at", COUNT, BYTES)
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
    history = past(actors, since - RECENT)
    strange = [] if situation.is_learning else _strange(actors, since)
    strange_series = _series(strange, since - HOUR, until + HOUR) if strange else {}
    for measure in rules.MEASURES:
        signal = rules.volume(
            measure,
            _measured(series, measure),
            hours_of(history, measure),
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


Past = dict[str, dict[int, list[float]]]


def past(actors: Sequence[Actor], until: int) -> Past:
    """Returns peak_1, peak_5, count and bytes of each hour of the last 14 days, by operation."""
    return _pasts(Sum.objects.filter(actor__in=actors), until, Value("")).get("", {})


def pasts(bucket: Bucket, principals: Sequence[str], until: int) -> dict[str, Past]:
    """Returns the past of each of the principals of a bucket."""
    rows = Sum.objects.filter(actor__bucket=bucket, actor__principal__in=principals)
    return _pasts(rows, until, F("actor__principal"))


def _pasts(rows: QuerySet[Sum], until: int, who: F | Value) -> dict[str, Past]:
    found: dict[str, Past] = defaultdict(lambda: defaultdict(dict))
    rows = rows.filter(at__gte=until - HISTORY, at__lt=until)
    hours = rows.filter(grain=HOUR).values_list(
        who, "operation", "at", "peak_1", "peak_5", COUNT, BYTES
    )
    for principal, operation, at, *amounts in hours:
        _add(found[principal][operation], at, amounts)
    by_hour: dict[tuple[str, str, int], dict[int, list[float]]] = defaultdict(dict)
    smaller = rows.filter(grain__lte=MINUTE)
    for principal, operation, at, count, size in smaller.values_list(
        who, "operation", "at", COUNT, BYTES
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


def _raise(
    added: Added, found: Sequence[tuple[str, Signal]], counted: Counted, at: datetime
) -> int:
    """Raises one finding for each actor and type, or updates that of the attack that goes on."""
    if not found:
        return 0
    # One worker at a time, so that two do not raise two findings for one attack.
    bucket = Bucket.objects.select_for_update(no_key=True).get(pk=added.bucket.pk)
    by_type: dict[tuple[str, str], list[Signal]] = defaultdict(list)
    for principal, signal in found:
        by_type[principal, signal.finding_type].append(signal)
    documents = []
    for (principal, finding_type), together in sorted(by_type.items()):
        worst = max(together, key=lambda one: (one.severity, one.amount))
        first_at = min(one.first_at for one in together)
        last_at = max(one.last_at for one in together)
        severity = _with_signs(worst.severity, bucket, finding_type, together, first_at)
        signs = list(dict.fromkeys(one.sign for one in together))
        episode = _episode(bucket, finding_type, principal, first_at, last_at, severity, signs)
        documents.append(
            document.finding(
                finding_id=episode.finding_id,
                finding_type=finding_type,
                severity=episode.severity,
                bucket=bucket.name,
                account_id=settings.AWS_ACCOUNT_ID,
                who=_who(bucket, episode.principal),
                evidence=Evidence(
                    signs,
                    worst.words,
                    worst.amount,
                    worst.baseline,
                    worst.threshold,
                    worst.window,
                    _examples(counted, bucket.name, principal, finding_type),
                ),
                count=episode.times,
                first_at=episode.first_at,
                last_at=episode.last_at,
            )
        )
    signals.detected.send(None, findings=documents, at=at)
    return len(documents)


def _with_signs(
    severity: float, bucket: Bucket, finding_type: str, together: Sequence[Signal], at: int
) -> float:
    """Returns the severity, which is higher if the bucket was disarmed before its objects go."""
    if finding_type != FindingType.DELETE or all(one.words == "changes" for one in together):
        return severity
    disarmed = any(one.words == "changes" for one in together) or any(
        not sign[:1].isdigit()
        for signs in Episode.objects.filter(
            bucket=bucket,
            finding_type=FindingType.DELETE,
            last_at__gte=at - DISARMED_FOR,
            first_at__lte=at + DISARMED_FOR,
        ).values_list("signs", flat=True)
        for sign in signs
    )
    return max(severity, 9.0) if disarmed else severity


def _episode(
    bucket: Bucket,
    finding_type: str,
    principal: str,
    first_at: int,
    last_at: int,
    severity: float,
    signs: Sequence[str],
) -> Episode:
    def goes_on(who: str) -> Episode | None:
        near = Episode.objects.filter(
            bucket=bucket,
            finding_type=finding_type,
            principal=who,
            last_at__gte=first_at - rules.QUIET,
            first_at__lte=last_at + rules.QUIET,
        )
        return near.order_by("-last_at").first()

    near = goes_on(principal)
    if near is None and _are_too_many(bucket, principal, first_at):
        principal = records.OTHERS
        near = goes_on(principal)
    if near is None:
        return Episode.objects.create(
            finding_id=uuid.uuid4().hex,
            bucket=bucket,
            finding_type=finding_type,
            principal=principal,
            first_at=first_at,
            last_at=last_at,
            severity=severity,
            signs=list(signs),
        )
    near.first_at = min(near.first_at, first_at)
    near.last_at = max(near.last_at, last_at)
    near.severity = max(near.severity, severity)
    near.times += 1
    # The volumes change with each update; the changes of the settings stay.
    near.signs = list(
        dict.fromkeys([*(one for one in near.signs if not one[:1].isdigit()), *signs])
    )[:SIGNS_MAX]
    near.save()
    return near


def _are_too_many(bucket: Bucket, principal: str, at: int) -> bool:
    """Whether so many strangers attack the bucket that further ones share a finding."""
    if not records.is_stranger(principal):
        return False
    recent = Episode.objects.filter(bucket=bucket, last_at__gte=at - rules.QUIET)
    names = recent.values_list("principal", flat=True)
    return sum(map(records.is_stranger, names)) >= STRANGERS_MAX


def _who(bucket: Bucket, principal: str) -> Who:
    row = (
        Actor.objects.filter(bucket=bucket, principal=principal)
        .order_by("-last_at", "-pk")
        .values(*Who._fields)
        .first()
    )
    return Who(**row) if row else Who(principal)


def _examples(counted: Counted, bucket: str, principal: str, finding_type: str) -> list[str]:
    operations: set[str] = set()
    for measure in rules.MEASURES:
        if measure.finding_type == finding_type:
            operations |= set(measure.weights)
    keys = [
        key
        for (name, who, operation), some in counted.examples.items()
        if (name, who) == (bucket, principal) and (operation in operations or not operations)
        for key in some
    ]
    return sorted(set(keys))[: records.EXAMPLES]
