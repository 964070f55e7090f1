"""Tests of the formats of dates and times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.template import Context, Template

from storage import instants

NOON = datetime(2026, 11, 23, 12, 0, 5, 123456, tzinfo=UTC)


def test_programs_get_rfc_3339() -> None:
    assert instants.iso(NOON) == "2026-11-23T12:00:05Z"
    assert instants.iso(NOON, timespec="milliseconds") == "2026-11-23T12:00:05.123Z"


def test_another_zone_is_told_in_utc() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert instants.iso(there) == "2026-11-23T12:00:05Z"
    assert instants.human(there) == "2026-11-23 at 12:00:05 UTC"


def test_the_first_year_has_four_digits() -> None:
    first = datetime(1, 1, 1, tzinfo=UTC)
    assert instants.human(first) == "0001-01-01 at 00:00:00 UTC"
    assert instants.shown(first, "day") == "0001-01-01"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ at|instant }}", '<time datetime="2026-11-23T12:00:05Z">2026-11-23 12:00:05</time>'),
        (
            '{{ at|instant:"minute" }}',
            '<time datetime="2026-11-23T12:00:05Z">2026-11-23 12:00</time>',
        ),
        ('{{ at|instant_text:"day" }}', "2026-11-23"),
        ('{{ at|instant_text:"time" }}', "12:00:05"),
        ("{{ never|instant }}", ""),
    ],
)
def test_templates_need_to_load_nothing(text: str, expected: str) -> None:
    assert Template(text).render(Context({"at": NOON, "never": None})) == expected
