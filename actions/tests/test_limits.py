"""Blocks end: BLOCK_FOR, the lift by a worker, and IP sets that are full."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timedelta

import boto3
import pytest
import time_machine
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import fill, limits
from actions.aws import wafv2
from actions.execution import carry_out_due
from actions.models import Reaction
from actions.tests.attacks import NOW, arrive, attack, set_action
from findings.models import Finding
from tests.at_once import at_once
from tests.aws import Cloud

pytestmark = pytest.mark.django_db

ADDRESS = "81.2.69.1"


@pytest.fixture(autouse=True)
def _policy(settings: Settings) -> None:
    settings.CONTAINMENT = "on"
    settings.BLOCK_FOR = "7d"
    set_action("BLOCK")


def day(number: float) -> time_machine.travel:
    return time_machine.travel(NOW + timedelta(days=number), tick=False)


def end_in_days() -> float | None:
    """Returns how many days the newest block lasts."""
    block = Reaction.objects.filter(kind="BLOCK").latest("pk")
    return (block.ends_at - block.decided_at) / timedelta(days=1) if block.ends_at else None


def work(session: boto3.Session) -> None:
    """Does what a worker does until nothing is due."""
    limits.lift(timezone.now())
    while carry_out_due(session):
        pass


def settle() -> None:
    """Does what AWS and a worker do, without AWS."""
    Reaction.objects.all().settle("done", at=timezone.now(), outcome="")  # type: ignore[arg-type]


def test_a_block_is_lifted_when_it_ends_and_the_log_says_so(
    cloud: Cloud, ip_set: str, session: boto3.Session, viewer_client: Client
) -> None:
    with day(0):
        arrive(attack(1, ADDRESS))
        work(session)
    with day(6.999):
        work(session)
    assert cloud.addresses(ip_set) == {f"{ADDRESS}/32"}
    page = viewer_client.get("/actions?now=blocked", headers={"Accept": "text/html"})
    assert re.search(r"until <time[^>]*>2026-11-30 12:00<", page.content.decode())
    with day(7):
        work(session)
        work(session)
    assert cloud.addresses(ip_set) == set()
    [lifted, _] = viewer_client.get("/actions").json()["actions"]
    assert viewer_client.get("/actions?now=blocked").json()["actions"] == []
    assert (lifted["action"], lifted["state"], lifted["target"]) == ("UNBLOCK", "done", ADDRESS)
    assert lifted["why"] == "The time limit of the block ended on 2026-11-30 at 12:00:00 UTC."


def test_an_address_that_comes_back_is_blocked_twice_as_long_up_to_90_days() -> None:
    lasted, now = [], 0.0
    for number in range(6):
        with day(now):
            arrive(attack(number, ADDRESS))
            settle()
        lasted.append(end_in_days())
        now += lasted[-1] or 0
        with day(now):
            assert limits.lift(timezone.now()) == 1
            settle()
    assert lasted == [7, 14, 28, 56, 90, 90]
    with day(now):
        arrive(attack(99, "81.2.69.2"))
    assert end_in_days() == 7


def test_a_finding_about_a_blocked_address_extends_its_block_and_shortens_none(
    settings: Settings,
) -> None:
    for number, (at, block_for, expected) in enumerate(
        [(0, "7d", 7), (1, "7d", 7), (2, "1h", 6), (3, "", None), (4, "7d", None)]
    ):
        settings.BLOCK_FOR = block_for
        with day(at):
            arrive(attack(number, ADDRESS))
            settle()
        assert end_in_days() == expected
    with day(50):
        assert limits.lift(timezone.now()) == 0  # the block without an end holds
    assert list(Reaction.objects.in_force().values_list("ends_at", flat=True)) == [None]


@pytest.mark.django_db(transaction=True)
def test_two_workers_lift_a_block_once() -> None:
    with day(0):
        arrive(*(attack(number) for number in range(30)))
        arrive(*(attack(100 + number, f"81.2.0.{number + 1}") for number in range(30)))
        settle()
    later = NOW + timedelta(days=8)
    at_once(lambda: limits.lift(later), lambda: limits.lift(later))
    unblocked = Reaction.objects.filter(kind="UNBLOCK").values_list("target", flat=True)
    assert sorted(unblocked) == sorted(f"81.2.0.{number + 1}" for number in range(30))


@pytest.mark.django_db(transaction=True)
def test_a_lift_waits_for_a_block_that_is_not_committed_yet() -> None:
    with day(0):
        arrive(attack(1, ADDRESS))
        settle()
    later = NOW + timedelta(days=8)
    with ThreadPoolExecutor() as pool:
        with transaction.atomic(), time_machine.travel(later, tick=False):
            arrive(attack(2, ADDRESS))
            lifted = pool.submit(lift_and_close, later)
            wait([lifted], timeout=0.5)  # long enough for a lift that does not wait
        assert lifted.result() == 0
    assert Reaction.objects.in_force().get().finding == Finding.objects.latest("pk")


def lift_and_close(at: datetime) -> int:
    try:
        return limits.lift(at)
    finally:
        connection.close()


def test_a_lift_that_aws_refuses_for_a_day_is_tried_again() -> None:
    with day(0):
        arrive(attack(1, ADDRESS))
        settle()
    found = []
    for at in (7, 8, 9):
        with day(at + 0.1):
            found.append(limits.lift(timezone.now()))
            Reaction.objects.all().settle("failed", at=timezone.now(), outcome="")  # type: ignore[arg-type]
    assert found == [1, 0, 1]
    with day(11):
        limits.lift(timezone.now())
        settle()
        assert limits.lift(timezone.now() + timedelta(days=9)) == 0


def test_in_a_dry_run_real_blocks_stay_and_those_of_dry_runs_end(settings: Settings) -> None:
    with day(0):
        arrive(attack(1, ADDRESS))
        settle()
        settings.CONTAINMENT = "dry-run"
        arrive(attack(2, "81.2.69.2"))
    with day(8):
        assert limits.lift(timezone.now()) == 1
        assert [one.target for one in Reaction.objects.in_force()] == [ADDRESS]
        settings.CONTAINMENT = "on"
        assert limits.lift(timezone.now()) == 1


def test_an_unblock_by_hand_is_no_end_and_is_not_lifted_again(operator_client: Client) -> None:
    with day(0):
        arrive(attack(1, ADDRESS))
        Reaction.objects.create(
            finding=Reaction.objects.get().finding, kind="UNBLOCK", target=ADDRESS,
            target_kind="address", why="x", state="pending", decided_at=timezone.now(),
            due_at=timezone.now(), requested_by_name="oscar",
        )  # fmt: skip
        settle()
    with day(8):
        assert limits.lift(timezone.now()) == 0
        arrive(attack(2, ADDRESS))
    assert end_in_days() == 7


def test_blocks_from_before_the_time_limit_stay(settings: Settings) -> None:
    settings.BLOCK_FOR = ""
    arrive(attack(1, ADDRESS))
    assert Reaction.objects.get().has_no_end
    assert limits.lift(timezone.now() + timedelta(days=9999)) == 0


def test_in_full_sets_the_block_that_ends_first_makes_room(
    cloud: Cloud, ip_set: str, session: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wafv2, "CAPACITY", 3)
    for at, number in enumerate((1, 2, 3)):
        with day(at):
            arrive(attack(number, f"81.2.69.{number}"))
            work(session)
    with day(4):
        arrive(attack(2000, "81.2.69.1"))  # now its block ends last
        arrive(attack(4, "81.2.69.4"))
        work(session)
    with day(4.001):
        work(session)
    assert cloud.addresses(ip_set) == {f"81.2.69.{number}/32" for number in (1, 3, 4)}
    lifted = Reaction.objects.get(kind="UNBLOCK")
    assert (lifted.target, lifted.state) == ("81.2.69.2", "done")
    assert "would have ended first, on 2026-12-01" in lifted.why
    assert {one.state for one in Reaction.objects.all()} == {"done"}


def test_sets_that_are_nearly_full_are_told_on_the_page(
    cloud: Cloud, ip_set: str, session: boto3.Session, viewer_client: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(wafv2, "CAPACITY", 5)

    def told() -> bool:
        page = viewer_client.get("/actions", headers={"Accept": "text/html"}).content.decode()
        return "sets in eu-central-1 hold 4 of 5 addresses" in page

    arrive(*(attack(number) for number in range(3)))
    work(session)
    assert not told()
    arrive(attack(3))
    work(session)
    assert told()
    assert fill.levels() == [fill.Level("eu-central-1", 4, 4, 5)]


def test_room_that_is_being_made_is_not_made_twice() -> None:
    arrive(attack(1), attack(2))
    settle()
    made = [len(limits.make_room(1, version=4, at=timezone.now())) for _ in range(2)]
    assert made == [1, 0]
