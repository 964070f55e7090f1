"""Repeats are held, messages are grouped, summed up and limited, and nothing is lost on the way."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import breaker, signals
from actions.models import Reaction, State, Trip
from actions.tests.attacks import arrive, attack, set_action
from findings import triage
from findings.models import Finding, TriageEntry
from notifications import gathering
from notifications.models import Delivery, DeliveryAttempt, Destination, Notice
from notifications.tests.telling import PROGRAM, add, add_rule, add_webhook, deliver, gather

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TYPE = "UnauthorizedAccess:EC2/SSHBruteForce"
ONE = f"HIGH {TYPE} in 123456789012"


def at(when: datetime) -> time_machine.travel:
    return time_machine.travel(when, tick=False)


def again(number: int, severity: float = 8) -> None:
    """Another finding of the same type, entity and account."""
    arrive(attack(number, "81.2.69.1", severity=severity))


def trip() -> None:
    """Has the circuit breaker trip, as actions/tests/test_breaker.py shows that it does."""
    row = Trip.objects.create(tripped_at=timezone.now(), limit=5)
    signals.tripped.send(Trip, trip=row)


def told_at(*times: datetime) -> list[str]:
    titles: list[str] = []
    for when in times:
        with at(when):
            titles = gather()
    return titles


@pytest.mark.parametrize(
    ("severity", "name", "hours"),
    [(8, "HIGH", 1), (5, "MEDIUM", 8), (2, "LOW", 24), (9.5, "CRITICAL", 1)],
)
def test_repeats_are_held_and_counted(severity: float, name: str, hours: int) -> None:
    add_webhook()
    add_rule()
    for number, hour in enumerate([0, 0.2, hours - 0.1, hours + 0.1]):
        with at(NOON + hour * HOUR):
            again(number, severity)
            gather()
    assert gather() == [
        f"{name} {TYPE} in 123456789012",
        f"{name} {TYPE} in 123456789012 (x 2 more)",
    ]


def test_an_update_is_a_repeat_and_another_entity_or_severity_is_none() -> None:
    add_webhook()
    add_rule()
    with at(NOON):
        again(1)
        assert gather() == [ONE]
        arrive(attack(1, "81.2.69.1", service={"count": 5}))  # of the same finding
        assert gather() == [ONE]
        again(2, severity=9.5)
        arrive(attack(3, "81.2.69.2"))
        assert len(gather()) == 2  # one message for both
    assert Delivery.objects.latest("pk").title == f"2 x {TYPE} in 123456789012, up to CRITICAL"


def test_one_message_tells_many_of_a_kind() -> None:
    add_webhook()
    add_rule()
    arrive(*(attack(n) for n in range(1, 15)), attack(20, accountId="210987654321"))
    arrive(attack(21, "81.2.0.2"))  # a repeat of the first
    assert gather() == [
        f"14 x {TYPE} in 123456789012, up to HIGH (x 1 more)",
        f"HIGH {TYPE} in 210987654321",
    ]
    message = Delivery.objects.earliest("pk")
    assert message.data["count"] == 14
    assert len(message.data["findings"]) == 10
    assert "And 4 more." in message.text


@pytest.mark.one_database  # texts
def test_a_brief_rule_tells_neither_title_nor_entities() -> None:
    add_webhook()
    add_rule(detail="brief")
    arrive(attack(1))
    gather()
    message = Delivery.objects.get()
    assert set(message.data) == {
        "trigger", "rule", "severity", "count", "url", "repeats", "finding_type", "account_id"
    }  # fmt: skip
    assert message.text == message.title == ONE


@pytest.mark.usefixtures("_containment")
def test_a_finding_waits_for_its_actions_but_not_for_long() -> None:
    add_webhook()
    add_rule()
    set_action("BLOCK")
    with at(NOON):
        arrive(attack(1), attack(2))
        assert gather() == []
        Reaction.objects.filter(target="81.2.0.2").settle(State.DONE, at=NOON, outcome="Listed.")
        assert gather() == [ONE]
        assert "Block 81.2.0.2: Done. Listed." in Delivery.objects.get().text
    assert told_at(NOON + timedelta(seconds=20)) == [ONE, ONE]


@pytest.mark.one_database  # rules in Python
def test_quiet_hours_hold_all_but_critical_findings_and_the_breaker() -> None:
    add_webhook()
    quiet: dict[str, Any] = {
        "quiet_from": time(22),
        "quiet_to": time(7),
        "time_zone": "America/New_York",
    }
    add_rule(**quiet)
    add_rule("breaker", name="breaker", **quiet)
    night = datetime(2026, 11, 26, 4, tzinfo=UTC)  # 23:00 in New York
    with at(night):
        arrive(attack(1), attack(2), attack(3, severity=9.5))
        trip()
        assert gather() == [
            f"CRITICAL {TYPE} in 123456789012",
            "The circuit breaker tripped: containment has stopped",
        ]
    assert len(told_at(night + 7.9 * HOUR)) == 2
    assert told_at(night + 8 * HOUR)[2:] == [f"2 x {TYPE} in 123456789012, up to HIGH"]


def test_a_digest_counts_by_kind_and_account() -> None:
    add_webhook()
    add_rule(when="daily", daily_at=time(8), time_zone="Europe/Berlin")
    with at(NOON):
        arrive(*(attack(n) for n in range(1, 4)), attack(9, severity=2))
    with at(NOON + HOUR):
        again(10)
        again(11)
    assert told_at(NOON + 18.9 * HOUR) == []
    assert told_at(NOON + 19 * HOUR) == ["rule: 6 x finding, up to HIGH"]
    assert Delivery.objects.get().text.splitlines() == [
        f"5 x HIGH {TYPE} in 123456789012",
        f"1 x LOW {TYPE} in 123456789012",
    ]
    assert not Notice.objects.filter(taken_at=None).exists()


def test_what_the_limit_holds_back_is_summed_up() -> None:
    add_webhook(per_hour=2)
    add_rule()
    for number in range(5):
        with at(NOON + number * timedelta(minutes=1)):
            arrive(
                attack(number, type=f"Recon:EC2/Scan{number}", severity=9.5 if number == 4 else 8)
            )
            gather()
    assert list(Delivery.objects.order_by("pk").values_list("state", flat=True)) == [
        "pending", "pending", "held", "held", "pending"
    ]  # fmt: skip
    assert len(told_at(NOON + 0.9 * HOUR)) == 5
    told_at(NOON + HOUR + timedelta(minutes=5))
    last = Delivery.objects.latest("pk")
    assert last.title == "2 messages were held back by the limit of 2 an hour"
    assert "Recon:EC2/Scan2" in last.text
    assert not Delivery.objects.filter(state="held").exists()


def test_an_incident_ends_when_all_its_findings_are_closed(operator: User) -> None:
    add("pagerduty", {"routing_key": "a" * 32}, name="Pager")
    add_webhook()
    add_rule("finding", "Pager", "SOC")
    arrive(attack(1), attack(2))
    gather()
    pks = list(Finding.objects.order_by("pk").values_list("pk", flat=True))

    def close(pk: int) -> list[bool]:
        change = triage.Change(status="benign", assigns=False, assignee=None, note="")
        triage.triage({pk}, change, by=PROGRAM, source=TriageEntry.Source.API, at=NOON)
        return list(Delivery.objects.order_by("pk").values_list("resolves", flat=True))

    assert close(pks[0]) == [False, False]
    assert close(pks[1]) == [False, False, True]
    opened, _, resolved = Delivery.objects.order_by("pk")
    assert (resolved.key, resolved.destination) == (opened.key, opened.destination)


@pytest.mark.one_database  # rules in Python
def test_a_reset_breaker_ends_its_incident(operator: User) -> None:
    add("pagerduty", {"routing_key": "a" * 32}, name="Pager")
    add_rule("breaker", "Pager")
    trip()
    gather()
    breaker.reset(by=operator, at=timezone.now(), drop=False)
    assert [(one.key, one.resolves) for one in Delivery.objects.order_by("pk")] == [
        ("breaker", False),
        ("breaker", True),
    ]


def test_repeats_are_counted_when_their_time_ends() -> None:
    add_webhook()
    add_rule()
    for minutes in (0, 1, 2):
        with at(NOON + timedelta(minutes=minutes)):
            again(minutes)
            gather()
    assert told_at(NOON + 0.9 * HOUR) == [ONE]
    assert told_at(NOON + HOUR, NOON + 2 * HOUR) == [ONE, f"2 more: {ONE}"]
    assert Delivery.objects.latest("pk").sums_up
    assert told_at(NOON + 9 * HOUR) == [ONE, f"2 more: {ONE}"]


@pytest.mark.every_database
def test_old_messages_go_with_their_tries_and_no_id_comes_twice(settings: Settings) -> None:
    settings.RETENTION_DAYS = "90"
    add_webhook()
    one, now = Destination.objects.get(), timezone.now()
    for days in (92, 92, 80):
        then = now - timedelta(days=days)
        told = Delivery.objects.create(
            destination=one, key="test", window=then, title="T", text="T", is_test=True,
            state="delivered", created_at=then, settled_at=then,
        )  # fmt: skip
        DeliveryAttempt.objects.create(delivery=told, at=then, delivered=True, answer="HTTP 200")
    ids = set(Delivery.objects.values_list("message_id", flat=True))
    assert len(ids) == 3
    gathering.forget(now)
    assert Delivery.objects.get().created_at == DeliveryAttempt.objects.get().at == then
    settings.RETENTION_DAYS = "0"
    gathering.forget(now + timedelta(days=1000))
    assert Delivery.objects.exists()


def test_a_bad_notice_stops_no_others(caplog: pytest.LogCaptureFixture) -> None:
    add_webhook()
    add_rule("breaker", name="breaker")
    add_rule()
    with at(NOON):
        trip()
        bad = Notice.objects.get()
        bad.pk, bad.event, bad.about = None, "bad", {}  # as no version writes it
        bad.save()
        again(1)
        assert gather() == ["The circuit breaker tripped: containment has stopped", ONE]
    assert not Notice.objects.filter(taken_at=None).exists()
    assert "KeyError" in caplog.text


def test_what_a_rule_would_tell_that_is_off_now_is_dropped() -> None:
    add_webhook()
    add_rule()
    arrive(attack(1))
    add_rule(enabled=False)
    assert gather() == []
    add_rule(enabled=True)
    deliver()
    assert not Delivery.objects.exists()
