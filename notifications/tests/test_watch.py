"""The end of the license and a silent worker are told in time, once."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from actions.heartbeat import Heart, Loop
from conftest import install
from license.tests import keys
from notifications.models import Delivery
from notifications.tests.telling import add, add_rule, add_webhook, gather
from notifications.watch import watch

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # messages


def test_the_end_of_the_license_is_told_at_30_14_7_and_1_days_and_then() -> None:
    add_webhook()
    add_rule("license")
    start = keys.now()
    end = start + timedelta(days=90)
    install(keys.make_license(not_before=start, expires_at=end))
    told = []
    for days in (40, 30, 29, 20, 14, 8, 7, 1, 0.5, -0.1, -3):
        with time_machine.travel(end - timedelta(days=days), tick=False):
            before = len(gather())
            watch(timezone.now())
            watch(timezone.now())  # another worker
            if len(gather()) > before:
                told.append(days)
    assert told == [30, 14, 7, 1, -0.1]
    assert "expired on" in gather()[-1]
    assert "ends in 7 days" in gather()[2]


@pytest.mark.every_database  # a message that exists is not added again
def test_a_silent_worker_is_told_once_and_its_return_ends_the_incident() -> None:
    add("pagerduty", {"routing_key": "a" * 32}, name="Pager")
    add_rule("silent", "Pager")
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        Heart(Loop.ACT).beat()
        watch(timezone.now())
        assert gather() == []
    for minutes in (6, 7):
        with time_machine.travel(now + timedelta(minutes=minutes), tick=False):
            watch(timezone.now())
            gather()
    [message] = Delivery.objects.all()
    assert "No worker carries out actions since" in message.title
    with time_machine.travel(now + timedelta(minutes=8), tick=False):
        Heart(Loop.ACT).beat()
        watch(timezone.now())
        watch(timezone.now())
    assert [one.resolves for one in Delivery.objects.order_by("pk")] == [False, True]
