"""The thresholds and the windows."""

from __future__ import annotations

from typing import Any

import pytest

from detectors import rules
from detectors.rules import MEASURES, Hour, Situation, Use

READS, BYTES, WRITES, DELETES, LISTS = MEASURES
DAY, HOUR = rules.DAY, rules.HOUR


def nightly(amount: float, *, days: int = 14) -> list[Hour]:
    return [Hour(day * DAY, amount / 10, amount / 4, amount) for day in range(days)]


@pytest.mark.parametrize(
    ("series", "found"),
    [
        ([(0, 50.0), (50, 49.0)], None),
        ([(0, 50.0), (50, 50.0)], (0, 50, 100)),
        ([(0, 50.0), (60, 50.0)], None),  # a minute has six slots
        ([(0, 50.0), (10, 90.0), (70, 100.0)], (0, 10, 140)),
    ],
)
def test_a_window_slides_by_slots(series: Any, found: Any) -> None:
    assert rules.in_window(series, 60, 100, since=0, until=100) == found


def test_a_window_that_was_judged_before_is_not_judged_again() -> None:
    assert rules.in_window([(0, 200.0), (600, 1.0)], 60, 100, since=600, until=600) is None


def test_a_quiet_past_leaves_the_floor() -> None:
    assert rules.threshold(READS, HOUR, nightly(3), Situation()) == (3, 1000)


def test_what_a_nightly_job_does_each_night_is_usual() -> None:
    _, least = rules.threshold(READS, HOUR, nightly(50_000), Situation())
    assert 100_000 < least < 300_000


def test_a_weekly_job_is_usual_the_second_time_at_its_time_only() -> None:
    past = [*nightly(2000), Hour(7 * DAY + 3 * HOUR, 5e3, 2e4, 9e4)]
    at = 14 * DAY + 4 * HOUR
    assert rules.threshold(READS, HOUR, past, Situation(), at=at)[1] > 90_000
    assert rules.threshold(READS, HOUR, past, Situation(), at=at + 5 * HOUR)[1] < 20_000


def test_a_weekly_job_is_usual_and_one_earlier_attack_is_not() -> None:
    calm = nightly(2000)
    weekly = [*calm, Hour(3 * DAY, 5e3, 2e4, 9e4), Hour(10 * DAY, 5e3, 2e4, 9e4)]
    attack = [*calm, Hour(3 * DAY, 5e3, 2e4, 9e4)]
    assert rules.threshold(READS, HOUR, weekly, Situation())[1] > 90_000
    assert rules.threshold(READS, HOUR, attack, Situation())[1] < 20_000


@pytest.mark.parametrize(
    ("situation", "least"),
    [
        (Situation(), 100),
        (Situation("LOW"), 400),
        (Situation("HIGH"), 50),
        (Situation(is_strange=True), 50),
        (Situation(is_learning=True), 5000),
        (Situation("HIGH", floors={"read": 5000}), 500),
        (Situation(is_learning=True, floors={"read": 5000}), 500),
        (Situation(is_strange=True, floors={"read": 5000}), 250),
        (Situation(floors={"write": 5000}), 100),
    ],
)
def test_the_floor_follows_from_the_situation(situation: Situation, least: float) -> None:
    assert rules.threshold(READS, 60, [], situation)[1] == least


def test_who_does_somewhat_more_each_day_does_not_become_usual() -> None:
    steady = [2000.0] * 9
    ramp = [
        Hour(n * DAY, 0, 0, amount) for n, amount in enumerate([*steady, 4e3, 8e3, 1.6e4, 3.2e4])
    ]
    new_job = [Hour(n * DAY, 0, 0, amount) for n, amount in enumerate([*steady, 1e4, 1e4, 9e3])]
    assert rules.threshold(READS, HOUR, ramp, Situation())[1] < 11_900
    assert rules.threshold(READS, HOUR, new_job, Situation())[1] > 11_900


def test_bytes_of_a_usual_hour_are_usual_in_a_minute() -> None:
    past = [Hour(day * DAY, 0, 0, 2.0**40) for day in range(9)]
    assert rules.threshold(BYTES, 60, [], Situation())[1] == 2 * 2**30
    assert rules.threshold(BYTES, 60, past, Situation())[1] > 2**40


def test_the_severity_follows_from_how_far_beyond() -> None:
    found = [
        rules.volume(READS, [(0, amount)], [], Situation(), since=0, until=0)
        for amount in (99, 100, 300, 1000)
    ]
    assert [one and one.severity for one in found] == [None, 5.0, 7.0, 8.0]


def test_a_batch_deletion_counts_as_many() -> None:
    assert DELETES.weights["delete_batch"] >= DELETES.floors[60]


def test_one_write_with_a_key_of_the_caller_is_enough_and_a_note_makes_it_worse() -> None:
    def sure(**counts: float) -> float | None:
        found = rules.sure(counts, first_at=0, last_at=0)
        return found and found.severity

    assert sure(write=10_000, write_note=3, write_locked=19) is None
    assert sure(write_sse_c=1) == sure(write_foreign_kms=1) == 8.0
    assert sure(write_sse_c=1, write_note=1) == sure(write_locked=20) == 9.0


OFFICE, ELSEWHERE = "81.2.69.0/24", "198.51.100.0/24"


@pytest.mark.parametrize(
    ("uses", "is_found"),
    [
        ([Use(OFFICE, 0, [0, 30]), Use(ELSEWHERE, 9 * DAY, [20])], True),
        ([Use(OFFICE, 0, [0, 10]), Use(ELSEWHERE, 9 * DAY, [20])], False),  # moved once
        ([Use(OFFICE, 0, [0, 30]), Use(ELSEWHERE, 10, [20])], False),  # both are usual
        ([Use("vpce-1", 0, [0, 30]), Use(ELSEWHERE, 9 * DAY, [20])], False),
        ([Use("10.0.0.0/24", 0, [0, 30]), Use(ELSEWHERE, 9 * DAY, [20])], True),
        ([Use(OFFICE, 0, [0, 30]), Use("10.0.0.0/24", 9 * DAY, [20])], False),  # of a VPC
    ],
)
def test_a_key_that_is_used_by_turns_from_a_new_network(uses: list[Use], is_found: bool) -> None:
    assert bool(rules.alternates(uses)) is is_found
