"""The license's end is told in time, once a day."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
import time_machine
from django.core.cache import cache
from django.db import connections
from django.utils import timezone

from conftest import install
from license import notices
from license.tests.keys import make_license

BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC)
TICK = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _nothing_told(db: None, caplog: pytest.LogCaptureFixture) -> None:
    cache.clear()
    caplog.set_level(logging.INFO, logger="license.notices")


def told(caplog: pytest.LogCaptureFixture, at: datetime) -> list[str]:
    """The levels of what is said at that instant."""
    caplog.clear()
    with time_machine.travel(at, tick=False):
        notices.tell(timezone.now())
    return [one.levelname for one in caplog.records if one.name == "license.notices"]


@pytest.mark.one_database  # texts
@pytest.mark.parametrize(
    ("days", "level"),
    [(90, "INFO"), (31, "INFO"), (30, "WARNING"), (15, "WARNING"), (14, "ERROR"), (1, "ERROR")],
)
def test_it_gets_louder(caplog: pytest.LogCaptureFixture, days: int, level: str) -> None:
    install(make_license(not_before=BEGIN, days=365))
    end = BEGIN + timedelta(days=365)
    assert told(caplog, end - timedelta(days=days)) == [level]
    assert f"in {days} day" in caplog.text
    assert "The license ends on 2027-01-01 at 12:00:00 UTC" in caplog.text


def test_nothing_is_said_before_the_last_90_days(caplog: pytest.LogCaptureFixture) -> None:
    install(make_license(not_before=BEGIN, days=365))
    assert told(caplog, BEGIN + timedelta(days=365 - 90) - TICK) == []


def test_writes_that_are_off_are_critical(caplog: pytest.LogCaptureFixture) -> None:
    assert told(caplog, BEGIN) == ["CRITICAL"]
    assert "Writes are off. No license is installed. Request a license" in caplog.text
    key = make_license(not_before=BEGIN, days=30)
    install(key)
    assert told(caplog, BEGIN + timedelta(days=30)) == ["CRITICAL"]
    assert "The license expired at 2026-01-31T12:00:00Z. Renew" in caplog.text
    assert key not in caplog.text


def test_it_is_said_once_a_day_and_once_more_when_it_gets_worse(
    caplog: pytest.LogCaptureFixture,
) -> None:
    install(make_license(not_before=BEGIN, days=30))
    day = BEGIN.replace(hour=0) + timedelta(days=16)  # the last 14 days begin at noon
    said = [told(caplog, day + timedelta(hours=hours)) for hours in (0, 1, 12, 13, 23.9, 24, 25)]
    assert said == [["WARNING"], [], ["ERROR"], [], [], ["ERROR"], []]


def test_a_renewal_without_a_gap_silences_it(caplog: pytest.LogCaptureFixture) -> None:
    install(make_license(not_before=BEGIN, days=30))
    renewed = BEGIN + timedelta(days=30)
    install(make_license(not_before=renewed, days=60))
    assert told(caplog, renewed - timedelta(days=1)) == []
    assert told(caplog, renewed + timedelta(days=1)) == ["INFO"]  # it ends too


def test_a_renewal_with_a_gap_does_not(caplog: pytest.LogCaptureFixture) -> None:
    install(make_license(not_before=BEGIN, days=30))
    install(make_license(not_before=BEGIN + timedelta(days=30, seconds=1), days=365))
    assert told(caplog, BEGIN + timedelta(days=29)) == ["ERROR"]


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_says_it(caplog: pytest.LogCaptureFixture) -> None:
    install(make_license(not_before=BEGIN, days=30))
    at_once = Barrier(6)

    def work(number: int) -> None:
        at_once.wait()
        notices.tell(BEGIN + timedelta(days=20))
        connections.close_all()

    with ThreadPoolExecutor(6) as workers:
        list(workers.map(work, range(6)))
    assert [one.levelname for one in caplog.records] == ["ERROR"]
