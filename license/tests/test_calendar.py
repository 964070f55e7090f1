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


def events(client: Client) -> list[Component]:
    response = client.get("/license/expiry.ics")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/calendar; charset=utf-8"
    return list(Calendar.from_ical(response.content.decode()).walk("VEVENT"))


def test_the_end_of_the_license_has_an_alarm_a_week_before(viewer_client: Client) -> None:
    begins = keys.now() - DAY
    install(make_license(jti="first", not_before=begins, days=30))
    [event] = events(viewer_client)
    assert event["uid"] == "first@threatreaction.com"
    assert event.decoded("dtstart") == begins + 30 * DAY
    assert event.decoded("dtstart").tzname() == "UTC"
    [alarm] = event.walk("VALARM")
    assert alarm.decoded("trigger") == -7 * DAY


@pytest.mark.usefixtures("valid_license")
def test_the_same_license_gives_the_same_file(viewer: User, viewer_client: Client) -> None:
    first = viewer_client.get("/license/expiry.ics").content
    with time_machine.travel(keys.now() + DAY, tick=False):
        viewer_client.force_login(viewer)  # the session has ended meanwhile
        assert viewer_client.get("/license/expiry.ics").content == first


def test_a_license_that_a_renewal_follows_has_no_event(viewer_client: Client) -> None:
    install(make_license(jti="old", days=10))
    install(make_license(jti="new", begins=5 * DAY, days=365))
    assert [event["uid"] for event in events(viewer_client)] == ["new@threatreaction.com"]


def test_with_a_gap_before_the_renewal_both_ends_are_events(viewer_client: Client) -> None:
    install(make_license(jti="old", days=10))
    install(make_license(jti="new", begins=20 * DAY, days=365))
    found = {event["uid"] for event in events(viewer_client)}
    assert found == {"old@threatreaction.com", "new@threatreaction.com"}


@pytest.mark.usefixtures("expired_license")
def test_what_has_ended_has_no_file(viewer_client: Client) -> None:
    assert viewer_client.get("/license/expiry.ics").status_code == 404
    assert b"Add to calendar" not in viewer_client.get("/license").content


@pytest.mark.usefixtures("valid_license")
def test_only_those_who_may_see_the_license_get_the_file(stranger_client: Client) -> None:
    assert stranger_client.get("/license/expiry.ics").status_code == 403
    assert Client().get("/license/expiry.ics").status_code == 302
