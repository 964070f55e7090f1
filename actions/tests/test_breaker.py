"""The circuit breaker: it stops containment, and nothing else, until it is reset."""

from __future__ import annotations

import boto3
import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import breaker, execution
from actions.aws import firewall
from actions.execution import carry_out_due
from actions.models import AT_THE_FIREWALL, Reaction, Trip
from actions.tests.attacks import (
    arrive,
    attack,
    later,
    of_an_earlier_version,
    set_action,
    states,
    undo,
)
from tests.aws import Cloud

pytestmark = pytest.mark.django_db


def test_the_circuit_breaker_stops_containment_until_it_is_reset(
    cloud: Cloud, ip_set: str, session: boto3.Session, settings: Settings, operator: User
) -> None:
    settings.MAX_CONTAINMENTS_PER_HOUR = 3
    set_action("BLOCK")
    arrive(*(attack(number, f"81.2.69.{number % 3}") for number in range(9)))
    carry_out_due(session)
    assert breaker.tripped() is None  # three addresses, each with several findings
    arrive(attack(20), attack(21))
    for _ in range(3):
        carry_out_due(session)
    assert breaker.tripped()
    assert len(cloud.addresses(ip_set)) == 3
    assert breaker.waiting() == 2
    with later(hours=2):
        carry_out_due(session)
    assert len(cloud.addresses(ip_set)) == 3  # time alone does not reset it
    breaker.reset(by=operator, at=timezone.now(), drop=False)
    carry_out_due(session)
    assert len(cloud.addresses(ip_set)) == 5
    assert breaker.tripped() is None


def test_while_the_breaker_is_open_addresses_are_unblocked(
    cloud: Cloud, ip_set: str, session: boto3.Session, settings: Settings, operator: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(execution, "_AT_ONCE", [(AT_THE_FIREWALL, 3, firewall.carry_out)])
    settings.MAX_CONTAINMENTS_PER_HOUR = 2
    set_action("BLOCK")
    arrive(*(attack(number) for number in range(9)))  # more than one batch is pending
    carry_out_due(session)
    carry_out_due(session)
    assert breaker.tripped()
    done, waiting = Reaction.objects.earliest("pk"), Reaction.objects.latest("pk")
    for one in (done, waiting):
        undo(one, operator)
    carry_out_due(session)
    assert cloud.addresses(ip_set) == {"81.2.0.2/32"}
    breaker.reset(by=operator, at=timezone.now(), drop=False)
    settings.MAX_CONTAINMENTS_PER_HOUR = 100
    while carry_out_due(session):
        pass
    assert f"{waiting.target}/32" not in cloud.addresses(ip_set)  # its block was decided earlier


@pytest.mark.one_database  # notices and a page
def test_what_waits_can_be_dropped(
    ip_set: str, session: boto3.Session, settings: Settings, operator: User
) -> None:
    settings.MAX_CONTAINMENTS_PER_HOUR = 1
    set_action("BLOCK")
    arrive(attack(1), attack(2), attack(3))
    carry_out_due(session)
    assert breaker.reset(by=operator, at=timezone.now(), drop=True) == 2
    assert breaker.reset(by=operator, at=timezone.now(), drop=True) == 0
    assert states() == ["done", "prevented", "prevented"]
    assert "oscar" in Reaction.objects.latest("pk").outcome
    assert Trip.objects.get().reset_by == operator


@pytest.mark.one_database  # notices and a page
def test_a_breaker_that_is_open_holds_back_no_notice(
    cloud: Cloud, ip_set: str, session: boto3.Session, settings: Settings
) -> None:
    settings.NOTIFY_TOPIC_ARN, queue = cloud.topic_with_queue()
    Trip.objects.create(tripped_at=timezone.now(), limit=1)
    set_action("BLOCK")
    arrive(attack(1))
    of_an_earlier_version(settings.NOTIFY_TOPIC_ARN)
    carry_out_due(session)
    assert states() == ["pending", "done"]
    assert len(cloud.messages(queue)) == 1
