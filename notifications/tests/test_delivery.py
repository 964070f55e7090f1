"""Messages arrive at least once, through kills, failures and other destinations that hang."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import count
from threading import Event
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings
from standardwebhooks import Webhook

from actions.tests.attacks import arrive, attack
from findings.models import Finding
from notifications import configuration, delivery
from notifications.checks import problem_of
from notifications.configuration import NotValid
from notifications.delivery import Sender
from notifications.destinations.contract import HIDDEN
from notifications.models import NO_KEY, Delivery, DeliveryAttempt, Destination, Notice
from notifications.tests.receiver import Receiver, receiver
from notifications.tests.telling import PROGRAM, add_rule, add_webhook, deliver, gather
from tests.at_once import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # exchanges with receivers


def states() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


def later(**more: float) -> time_machine.travel:
    return time_machine.travel(timezone.now() + timedelta(**more))


@pytest.mark.every_database  # from the finding to the receiver
def test_a_finding_arrives_signed_at_a_webhook(webhook_server: Receiver) -> None:
    secret = add_webhook(webhook_server.url)
    add_rule(severity="HIGH")
    arrive(attack(1))
    deliver()
    [request] = webhook_server.requests
    told = Webhook(secret).verify(request.body, dict(request.headers))
    assert told["finding_type"] == "UnauthorizedAccess:EC2/SSHBruteForce"
    assert told["url"] == f"http://testserver/events/{Finding.objects.get().pk}"
    [attempt] = DeliveryAttempt.objects.all()
    assert (states(), attempt.delivered) == (["delivered"], True)
    assert Destination.objects.get().last_success_at


def test_without_a_license_rules_stay_as_they_are_and_messages_go_on(
    webhook_server: Receiver, operator_client: Client
) -> None:
    add_webhook(webhook_server.url)
    rule = add_rule()
    answer = operator_client.post(f"/notifications/rules/{rule.pk}/remove")
    assert answer.status_code == 403
    arrive(attack(1))
    deliver()
    assert len(webhook_server.requests) == 1


@pytest.mark.every_database  # order and time
def test_a_failure_is_logged_and_tried_again_with_the_same_id(webhook_server: Receiver) -> None:
    add_webhook(webhook_server.url)
    add_rule()
    arrive(attack(1))
    webhook_server.status = 500
    deliver()
    deliver()  # too early
    destination = Destination.objects.get()
    assert (states(), destination.failures) == (["pending"], 1)
    assert destination.failing_since and "500" in destination.last_error
    webhook_server.status = 200
    with later(seconds=6):
        deliver()
    first, second = webhook_server.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert Destination.objects.get().failing_since is None
    assert list(DeliveryAttempt.objects.order_by("pk").values_list("delivered", flat=True)) == [
        False,
        True,
    ]


def test_retry_after_is_obeyed_and_a_day_of_failures_gives_up(webhook_server: Receiver) -> None:
    add_webhook(webhook_server.url)
    add_rule()
    arrive(attack(1))
    webhook_server.status, webhook_server.headers = 429, {"Retry-After": "120"}
    deliver()
    with later(seconds=110):
        deliver()
    assert len(webhook_server.requests) == 1
    with later(seconds=130):
        deliver()
    assert len(webhook_server.requests) == 2
    with later(hours=25):
        deliver()
    assert states() == ["failed"]


def test_what_cannot_succeed_is_not_tried_again(webhook_server: Receiver) -> None:
    add_webhook(webhook_server.url)
    add_rule()
    arrive(attack(1))
    webhook_server.status = 410
    deliver()
    assert states() == ["failed"]
    assert Destination.objects.get().failing_since


def test_a_destination_that_hangs_delays_no_other(webhook_server: Receiver) -> None:
    with receiver() as hanging:
        hanging.answer = _hang
        add_webhook(hanging.url, name="hangs")
        add_webhook(webhook_server.url)
        add_rule("finding", "hangs", "SOC")
        arrive(*(attack(n, type=f"Recon:EC2/Scan{n}") for n in range(4)))
        gather()
        sender = Sender()
        began = time.monotonic()
        while len(webhook_server.requests) < 4:
            sender.round(0.5)
            assert time.monotonic() - began < 8
        assert len(hanging.requests) == 1
    sender.close(12)
    hung = Delivery.objects.filter(destination__name="hangs")
    assert not hung.exclude(state="pending").exists()
    assert Destination.objects.get(name="hangs").failing_since


def _hang(handler: object, over: Event) -> None:
    over.wait()


class Killed(BaseException):
    """The process ends here. Nothing in the portal catches it."""


def dying() -> Iterator[Callable[..., Any]]:
    """Yields what kills one process after another: the n-th at its n-th statement."""
    for last in count(1):
        numbers = iter(range(1, last))

        def execute(run: Any, sql: str, *about: Any, numbers: Any = numbers) -> Any:
            # The database rolls back what a dead process leaves.
            if not sql.startswith("ROLLBACK") and next(numbers, None) is None:
                raise Killed
            return run(sql, *about)

        yield execute


def test_a_worker_that_dies_at_any_step_loses_nothing(webhook_server: Receiver) -> None:
    add_webhook(webhook_server.url)
    add_rule()
    add_rule(name="each", each=True)
    arrive(attack(1), attack(2))
    deaths = -1
    for kill in dying():
        deaths += 1
        # As if the leases had run out.
        Delivery.objects.filter(state="pending").update(due_at=timezone.now())
        with suppress(Killed), connection.execute_wrapper(kill):
            deliver()
            break
    assert deaths > 10
    assert states() == ["delivered"] * 3  # one for both, and one for each
    assert not Notice.objects.filter(taken_at=None).exists()
    ids = {one.headers["webhook-id"] for one in webhook_server.requests}
    assert len(ids) == 3


@pytest.mark.every_database  # two workers
@pytest.mark.django_db(transaction=True)
def test_two_workers_send_each_message_once(webhook_server: Receiver) -> None:
    add_webhook(webhook_server.url)
    add_rule(each=True)
    arrive(*(attack(n) for n in range(6)))
    at_once(deliver, deliver)
    deliver()
    told = [json.loads(one.body)["finding"]["id"] for one in webhook_server.requests]
    assert len(told) == 6
    assert len(set(told)) == 6
    assert states() == ["delivered"] * 6


@pytest.mark.every_database
def test_a_resolve_waits_for_its_trigger(webhook_server: Receiver) -> None:
    add_webhook(webhook_server.url)
    now = timezone.now()
    for resolves, due_at in ((False, now + timedelta(minutes=1)), (True, now)):
        Delivery.objects.create(
            destination=Destination.objects.get(),
            key="breaker",
            window=now,
            title="Trip",
            text="Trip",
            data={"resolves": resolves},
            resolves=resolves,
            created_at=now,
            due_at=due_at,
        )
    assert delivery.deliver_due() == 0
    with later(minutes=2):
        assert delivery.deliver_due() == 2
    told = [json.loads(one.body)["resolves"] for one in webhook_server.requests]
    assert told == [False, True]


def test_without_its_key_a_message_waits_and_the_destination_says_why(
    webhook_server: Receiver, settings: Settings
) -> None:
    add_webhook(webhook_server.url)
    add_rule()
    arrive(attack(1))
    keys = settings.ENCRYPTION_KEYS
    settings.ENCRYPTION_KEYS = ["another"]
    deliver()
    assert not webhook_server.requests
    assert states() == ["pending"]
    assert NO_KEY in DeliveryAttempt.objects.get().answer
    one = Destination.objects.get()
    assert one.failing_since
    assert problem_of(one) == NO_KEY  # on the pages, and in `manage.py check`
    assert set(one.masked().values()) == {HIDDEN}
    with pytest.raises(NotValid, match="Restore the key"):
        add_webhook("https://other.example")
    with pytest.raises(NotValid, match="Restore the key"):
        configuration.rotate(one, by=PROGRAM, at=timezone.now())
    settings.ENCRYPTION_KEYS = keys
    with later(seconds=6):
        deliver()
    assert states() == ["delivered"]


def test_a_removed_destination_gets_nothing(webhook_server: Receiver) -> None:
    add_webhook(webhook_server.url)
    add_rule()
    arrive(attack(1))
    gather()
    Destination.objects.update(removed_at=timezone.now())
    delivery.deliver_due()
    assert states() == ["failed"]
    assert not webhook_server.requests
