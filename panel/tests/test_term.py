from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panel.term import MONTHS, ends_at, paid_until, trial_until


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@given(st.dates(date(2020, 1, 1), date(2099, 12, 30)), st.integers(-12, 14))
def test_a_license_ends_when_its_last_day_is_over_in_every_time_zone(
    last_day: date, offset: int
) -> None:
    there = ends_at(last_day).astimezone(timezone(timedelta(hours=offset)))
    assert there.date() > last_day
    just_before = ends_at(last_day) - timedelta(seconds=1)
    assert just_before.astimezone(timezone(timedelta(hours=-12))).date() == last_day


@pytest.mark.parametrize(
    ("begins", "months", "ends"),
    [
        ("2026-11-23 15:20:11", 1, "2026-12-24 12:00"),
        ("2026-11-23 15:20:11", 12, "2027-11-24 12:00"),
        ("2026-11-23 12:00:01", 1, "2026-12-24 12:00"),
        ("2027-01-31 00:00:00", 1, "2027-03-01 12:00"),  # paid until the end of February
        ("2028-01-31 00:00:00", 1, "2028-03-01 12:00"),  # which has one day more that year
        ("2028-02-29 09:00:00", 12, "2029-03-01 12:00"),
        ("2027-02-28 09:00:00", 12, "2028-02-29 12:00"),  # the leap day itself is not paid for
        # Where another term ended, on the day before.
        ("2026-12-24 12:00:00", 1, "2027-01-24 12:00"),
        ("2027-11-24 12:00:00", 12, "2028-11-24 12:00"),
        ("2028-03-01 12:00:00", 12, "2029-03-01 12:00"),
    ],
)
def test_a_term_ends_after_its_last_day(begins: str, months: int, ends: str) -> None:
    assert paid_until(at(begins), months) == at(ends)


@given(
    st.datetimes(
        datetime(2020, 1, 1),  # noqa: DTZ001  (the zone comes below)
        datetime(2090, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
    st.sampled_from(MONTHS),
)
def test_no_term_is_shorter_than_what_was_paid_for(begins: datetime, months: int) -> None:
    shortest = timedelta(days=28 if months == 1 else 365)
    assert paid_until(begins, months) - begins >= shortest


def test_renewing_moves_no_anniversary() -> None:
    ends = paid_until(at("2026-11-23 15:20:11"), 12)
    for year in range(2028, 2038):
        ends = paid_until(ends, 12)
        assert ends == at(f"{year}-11-24 12:00")


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        ("2026-11-23 15:20:11", "2026-12-08 00:00"),
        ("2026-11-23 23:59:59", "2026-12-08 00:00"),
        ("2026-11-24 00:00:00", "2026-12-09 00:00"),
        ("2028-02-20 12:00:00", "2028-03-06 00:00"),
    ],
)
def test_a_trial_ends_with_its_14th_full_day(begins: str, ends: str) -> None:
    assert trial_until(at(begins)) == at(ends)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_trial_is_valid_on_its_first_day_and_expires_soon_from_the_next(begins: datetime) -> None:
    ends = trial_until(begins)
    midnight = datetime.combine(begins.date() + timedelta(days=1), datetime.min.time(), UTC)
    assert ends - begins > timedelta(days=14)  # the portal warns at 14 days
    assert ends - midnight == timedelta(days=14)
