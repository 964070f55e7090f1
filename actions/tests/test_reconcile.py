"""What an IP set holds is compared with the log, and mended."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

import boto3
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.api_auth import Caller
from actions import reconcile, undo
from actions.aws import wafv2
from actions.aws.outcome import Difference
from actions.execution import carry_out_due
from actions.models import Attempt, Reaction, ReactionKind, Trip
from actions.tests.attacks import arrive, attack, set_action
from findings.guardduty.parser import Kind
from tests.aws import Cloud

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # calls to AWS

BLOCKED, UNBLOCKED = {"81.2.0.2/32", "81.2.0.3/32"}, "81.2.0.4/32"
OF_OTHERS = {"9.9.9.9/32", "81.2.0.0/24"}  # the log does not know them


@pytest.fixture
def ip_set(ip_set: str, session: boto3.Session, operator: User) -> str:
    """An IP set in which two addresses were blocked, and a third was blocked and unblocked."""
    set_action("BLOCK")
    arrive(attack(1), attack(2), attack(3))
    carry_out_due(session)
    unblock("81.2.0.4", by=operator)
    carry_out_due(session)
    return ip_set


def unblock(address: str, *, by: User) -> None:
    block = Reaction.objects.get(target=address, kind=ReactionKind.BLOCK)
    caller = Caller(name=by.get_username(), user=by)
    assert undo.undo(block, why="Requested: a mistake", by=caller, at=timezone.now())


def fill(cloud: Cloud, arn: str, addresses: Collection[str]) -> None:
    """Set the addresses of an IP set, as a person or a stack update does."""
    cloud.set_addresses(arn, addresses)
    cloud.asked.clear()


def test_a_set_that_agrees_with_the_log_is_left_alone(
    cloud: Cloud, ip_set: str, session: boto3.Session, caplog: pytest.LogCaptureFixture
) -> None:
    fill(cloud, ip_set, BLOCKED | OF_OTHERS)
    reconcile.reconcile(session)
    assert cloud.asked == ["GetIPSet"]
    assert "differed" not in caplog.text


@pytest.mark.every_database  # queries
def test_what_is_missing_is_put_back_and_what_was_unblocked_is_taken_out(
    cloud: Cloud,
    ip_set: str,
    session: boto3.Session,
    caplog: pytest.LogCaptureFixture,
    viewer_client: Client,
) -> None:
    fill(cloud, ip_set, OF_OTHERS | {UNBLOCKED})
    reconcile.reconcile(session)
    assert cloud.addresses(ip_set) == BLOCKED | OF_OTHERS
    one, two, _, undone = Reaction.objects.order_by("pk").values_list("pk", flat=True)
    told = f"Put back 2 and took out 1, of the actions {one}, {two}, {undone}."
    assert caplog.text.count(told) == 1
    page = viewer_client.get("/actions").content.decode()
    assert page.count("It was missing from the IP set, and was put back.") == 2
    assert page.count("It was still in the IP set, and was taken out.") == 1
    reconcile.reconcile(session)
    assert Attempt.objects.filter(answer__startswith="It was").count() == 3


def test_what_must_never_be_blocked_now_is_not_put_back(
    cloud: Cloud, ip_set: str, session: boto3.Session, settings: Settings
) -> None:
    fill(cloud, ip_set, [])
    settings.NEVER_BLOCK = ["81.2.0.3/32"]
    reconcile.reconcile(session)
    assert cloud.addresses(ip_set) == {"81.2.0.2/32"}


def test_an_open_breaker_holds_back_what_is_missing_only(
    cloud: Cloud, ip_set: str, session: boto3.Session
) -> None:
    fill(cloud, ip_set, [UNBLOCKED])
    Trip.objects.create(tripped_at=timezone.now(), limit=1)
    reconcile.reconcile(session)
    assert cloud.addresses(ip_set) == set()


def test_a_dry_run_mends_nothing(
    cloud: Cloud, ip_set: str, session: boto3.Session, settings: Settings
) -> None:
    fill(cloud, ip_set, [])
    settings.CONTAINMENT = "dry-run"
    reconcile.reconcile(session)
    assert cloud.asked == []


@pytest.mark.parametrize("operation", ["GetIPSet", "UpdateIPSet"])
def test_an_aws_that_refuses_is_told_and_asked_again_the_next_time(
    cloud: Cloud,
    ip_set: str,
    session: boto3.Session,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    operation: str,
) -> None:
    fill(cloud, ip_set, [])
    cloud.fail(operation, "AccessDeniedException")
    reconcile.reconcile(session)
    assert "eu-central-1: AccessDeniedException" in caplog.text
    assert "differed" not in caplog.text
    cloud.mend()
    cloud.fail(operation, "ThrottlingException", times=2)
    reconcile.reconcile(session)
    assert cloud.addresses(ip_set) == BLOCKED


def test_what_does_not_fit_is_told(
    cloud: Cloud,
    ip_set: str,
    session: boto3.Session,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill(cloud, ip_set, ["9.9.9.9/32"])
    monkeypatch.setattr(wafv2, "CAPACITY", 2)
    reconcile.reconcile(session)
    assert cloud.addresses(ip_set) == {"9.9.9.9/32", "81.2.0.2/32"}
    assert "1: The IPv4 IP sets of BLOCK_IP_SETS are full." in caplog.text


@pytest.mark.every_database  # two workers
def test_an_address_that_another_worker_unblocks_meanwhile_is_not_put_back(
    cloud: Cloud, ip_set: str, session: boto3.Session, operator: User
) -> None:
    fill(cloud, ip_set, [UNBLOCKED])
    rounds = 0

    def compared(held: Collection[str]) -> Difference:
        nonlocal rounds
        rounds += 1
        difference = reconcile._difference(Kind.ADDRESS, held)
        if rounds == 1:  # between the comparison and the change
            fill(cloud, ip_set, [*BLOCKED, UNBLOCKED])
            unblock("81.2.0.2", by=operator)
            carry_out_due(session)
        return difference

    wafv2.LISTS.mend(session, compared)
    assert cloud.addresses(ip_set) == {"81.2.0.3/32"}


@pytest.mark.every_database  # two workers
def test_an_address_that_another_worker_blocks_again_meanwhile_is_not_lost(
    cloud: Cloud, ip_set: str, session: boto3.Session
) -> None:
    fill(cloud, ip_set, [*BLOCKED, UNBLOCKED])
    rounds = 0

    def compared(held: Collection[str]) -> Difference:
        nonlocal rounds
        rounds += 1
        difference = reconcile._difference(Kind.ADDRESS, held)
        if rounds == 1:
            arrive(attack(4, "81.2.0.4", createdAt=str(timezone.now() + timedelta(hours=1))))
            carry_out_due(session)  # it is in the set, so nothing changes
        return difference

    wafv2.LISTS.mend(session, compared)
    assert cloud.addresses(ip_set) == {*BLOCKED, UNBLOCKED}
