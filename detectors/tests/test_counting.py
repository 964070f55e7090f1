"""What the database keeps of log files and single events: each once, within limits."""

from __future__ import annotations

import json
import random
from datetime import timedelta

import pytest

from detectors import bounds, counting, folding, intake, marks, past, rules
from detectors.models import Actor, Bucket, Episode, Mark, Sum
from detectors.tests.taking import (
    EVE,
    EXFILTRATION,
    found,
    many,
    take,
    total,
)
from detectors.tests.traffic import (
    NOW,
    bucket,
    record,
    seconds,
)
from findings.models import Finding

pytestmark = pytest.mark.django_db


def test_a_file_twice_counts_once_and_raises_once() -> None:
    bucket()
    some = many(120)
    take(*some, name="a")
    assert take(*some, name="a").is_repeated
    assert total() == {"read": 120}
    assert Finding.objects.get().count == 1


@pytest.mark.parametrize("is_file_first", [False, True])
def test_single_events_that_also_come_by_file_count_once(is_file_first: bool) -> None:
    bucket()
    some = many(120)
    if is_file_first:
        take(*some)
    for _ in range(2):
        intake.take_records(some[:110], at=NOW)
    if not is_file_first:
        assert found() == [EXFILTRATION]
        take(*some)
    actor = Actor.objects.get()
    assert sum(max(one.count, one.single_count) for one in actor.sum_set.all()) == 120
    assert json.loads(Finding.objects.get().raw)["service"]["detector"]["amount"] == 120


def test_single_events_beyond_the_limit_are_left_to_the_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(marks, "SINGLES_MAX", 5)
    bucket()
    for _ in range(2):
        intake.take_records(many(4), at=NOW)
    assert Mark.objects.count() == 5


def test_a_file_without_events_of_registered_buckets_leaves_nothing() -> None:
    bucket()
    take(*many(3, bucket="others"))
    assert not Mark.objects.exists()
    assert not Actor.objects.exists()


def test_a_flood_of_principals_is_bounded_and_still_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counting, "ACTORS_MAX", 20)
    bucket()
    strangers = [
        record(by={"type": "AWSAccount", "accountId": "anonymous"}, address=f"81.2.{n}.7")
        for n in range(150)
    ]
    take(*strangers)
    take(record())
    rows = Actor.objects.values_list("principal", flat=True)
    assert len(rows) == 10 + 1 + 1  # half of them, all others together, and eve
    assert EVE in rows
    assert total() == {"read": 151}
    [episode] = Episode.objects.all()
    assert episode.principal == bounds.OTHERS


def test_a_flood_of_networks_of_one_principal_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "SOURCES_MAX", 5)
    bucket()
    for _ in range(2):
        take(*(record(address=f"81.2.{n}.7") for n in range(50)))
    assert Actor.objects.count() == 6
    assert total() == {"read": 100}
    assert found() == [EXFILTRATION]


def test_old_sums_become_minutes_and_hours_and_stay_equal() -> None:
    bucket()
    random.seed(1)
    now = seconds(NOW)
    some = [record(at=now - random.randrange(80_000)) for _ in range(300)]  # noqa: S311
    take(*some[:200])
    folding.fold(now)
    take(*some[200:])  # late ones
    folding.fold(now)
    assert total() == {"read": 300}
    assert set(Sum.objects.values_list("grain", flat=True)) == {10, 60}
    folding.fold(now + 30 * 3600)
    assert total() == {"read": 300}
    assert set(Sum.objects.values_list("grain", flat=True)) == {3600}
    assert min(Sum.objects.values_list("peak_1", flat=True)) >= 1
    folding.fold(now + 40 * 86400)
    assert not Actor.objects.exists()
    assert not Mark.objects.exists()


def test_minutes_and_hours_tell_the_same_past() -> None:
    of = bucket()
    take(*(record(at=NOW - timedelta(hours=8, minutes=m)) for m in range(30) for _ in range(m)))
    folding.fold(seconds(NOW))
    actors = list(Actor.objects.filter(bucket=of))
    before = past.of_actors(actors, seconds(NOW))
    folding.fold(seconds(NOW) + 30 * 3600)
    assert past.of_actors(actors, seconds(NOW)) == before
    [hour] = past.hours_of(before[EVE], rules.MEASURES[0])[:1]
    assert (hour.peak_1, hour.peak_5) == (29, 29 + 28 + 27 + 26 + 25)


def test_late_events_are_told() -> None:
    bucket()
    take(record(), record(at=NOW - timedelta(days=2)))
    assert Bucket.objects.get().late == 1
    assert Bucket.objects.get().last_event_at == seconds(NOW)
