from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from icalendar import Calendar, Component

from conftest import install
from license.tests import keys
from license.tests.keys import make_license

pytestmark = pytest.mark.one_database  # a file for calendars

DAY = timedelta(days=1)


def event(client: Client) -> Component:
    response = client.get("/license/expiry.ics")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/calendar; charset=utf-8"
    [only] = Calendar.from_ical(response.content.decode()).walk("VEVENT")
    return only


def sequence(end: Component) -> int:
    return int(end.decoded("sequence"))


def test_the_end_of_the_license_has_an_alarm_a_week_before(viewer_client: Client) -> None:
    begins = keys.now() - DAY
    install(make_license(jti="first", not_before=begins, days=30))
    end = event(viewer_client)
    assert end.decoded("dtstart") == begins + 30 * DAY
    assert end.decoded("dtstart").tzname() == "UTC"
    [alarm] = end.walk("VALARM")
    assert alarm.decoded("trigger") == -7 * DAY


@pytest.mark.usefixtures("valid_license")
def test_the_same_license_gives_the_same_file(viewer: User, viewer_client: Client) -> None:
    first = viewer_client.get("/license/expiry.ics").content
    with time_machine.travel(keys.now() + DAY, tick=False):
        viewer_client.force_login(viewer)  # the session has ended meanwhile
        assert viewer_client.get("/license/expiry.ics").content == first


def test_a_renewal_moves_the_event_that_a_calendar_has(viewer_client: Client) -> None:
    with time_machine.travel(keys.now(), tick=False):
        install(make_license(jti="old", days=10))
        before = event(viewer_client)
        install(make_license(jti="new", begins=5 * DAY, days=365))
        after = event(viewer_client)
    assert after["uid"] == before["uid"]
    assert sequence(after) > sequence(before)
    assert after.decoded("dtstart") - before.decoded("dtstart") == 360 * DAY


def test_with_a_gap_before_the_renewal_each_end_is_the_event_in_its_turn(
    viewer: User, viewer_client: Client
) -> None:
    now = keys.now()
    with time_machine.travel(now, tick=False):
        install(make_license(jti="old", days=10))
        install(make_license(jti="new", begins=20 * DAY, days=365))
        before = event(viewer_client)
    with time_machine.travel(now + 15 * DAY, tick=False):
        viewer_client.force_login(viewer)
        in_the_gap = event(viewer_client)
    assert "The installed renewal begins on" in str(before["description"])
    assert in_the_gap["uid"] == before["uid"]
    assert sequence(in_the_gap) > sequence(before)
    assert in_the_gap.decoded("dtstart") - before.decoded("dtstart") == 375 * DAY


@pytest.mark.usefixtures("expired_license")
def test_what_has_ended_has_no_file(viewer_client: Client) -> None:
    assert viewer_client.get("/license/expiry.ics").status_code == 404
    assert b"Add to calendar" not in viewer_client.get("/license").content


@pytest.mark.usefixtures("valid_license")
def test_only_those_who_may_see_the_license_get_the_file(stranger_client: Client) -> None:
    assert stranger_client.get("/license/expiry.ics").status_code == 403
    assert Client().get("/license/expiry.ics").status_code == 302
