"""Blocks end: BLOCK_FOR, the lift by a worker, and IP sets that are full."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
import time_machine
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import fill, limits
from actions.aws import domain_lists, wafv2
from actions.execution import carry_out_due
from actions.models import Reaction
from actions.tests.attacks import NOW, arrive, attack, end_in_days, set_action
from actions.tests.test_paths import DGA, asked_for
from findings.models import Finding
from tests.at_once import at_once
from tests.aws import Cloud

pytestmark = pytest.mark.django_db

ADDRESS = "81.2.69.1"
Held = Callable[[], set[str]]  # reads the targets in a list


@pytest.fixture(autouse=True)
def _policy(settings: Settings) -> None:
    settings.CONTAINMENT = "on"
    settings.BLOCK_FOR = "7d"
    set_action("BLOCK")


def day(number: float) -> time_machine.travel:
    return time_machine.travel(NOW + timedelta(days=number), tick=False)


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


@pytest.mark.one_database  # what the lists of AWS hold
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


@pytest.mark.one_database  # a dry run
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


@pytest.mark.one_database  # a rule about names
def test_the_restore_of_a_user_who_is_named_like_an_address_is_no_unblock() -> None:
    with day(0):
        arrive(attack(1, ADDRESS))
    settle()
    block = Reaction.objects.get(kind="BLOCK")
    at = block.decided_at
    Reaction.objects.create(
        kind="RESTORE", target_kind="user", target=ADDRESS, state="done", decided_at=at,
        settled_at=at, requested_by_name="olga", why="x",
    )  # fmt: skip
    with day(7):
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


def full_sets(cloud: Cloud, ip_set: str, settings: Settings) -> Held:
    return lambda: {one.removesuffix("/32") for one in cloud.addresses(ip_set)}


def full_prefix_lists(cloud: Cloud, ip_set: str, settings: Settings) -> Held:
    settings.BLOCK_IP_SETS, settings.BLOCK_PREFIX_LISTS = [], [cloud.prefix_list(limit=3)]
    (arn,) = settings.BLOCK_PREFIX_LISTS
    return lambda: {one.removesuffix("/32") for one in cloud.prefixes(arn)}


def full_domain_lists(cloud: Cloud, ip_set: str, settings: Settings) -> Held:
    settings.BLOCK_DOMAIN_LISTS = [cloud.domain_list()]
    cloud.more.domain_limit = 3  # of the account, which the portal does not know
    return lambda: cloud.more.domain_lists["rslvr-fdl-1"]


@pytest.mark.parametrize(
    ("make", "finding", "name"),
    [
        (full_sets, attack, "81.2.69.{}"),
        # Lists of AWS that differ in the calls, and not in the queries.
        pytest.param(full_prefix_lists, attack, "81.2.69.{}", marks=pytest.mark.one_database),
        pytest.param(
            full_domain_lists,
            lambda number, name: asked_for(name, number),
            "{}.example.org",
            marks=pytest.mark.one_database,
        ),
    ],
)
def test_in_full_lists_the_block_that_ends_first_makes_room(
    cloud: Cloud, ip_set: str, session: boto3.Session, settings: Settings,
    monkeypatch: pytest.MonkeyPatch, make: Any, finding: Any, name: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(wafv2, "CAPACITY", 3)
    set_action("BLOCK", finding_type=DGA)
    held = make(cloud, ip_set, settings)

    def seen(number: int, which: int) -> dict[str, Any]:
        return finding(number, name.format(which))  # type: ignore[no-any-return]

    for at, which in enumerate((1, 2, 3)):
        with day(at):
            arrive(seen(which, which))
            work(session)
    with day(4):
        arrive(seen(2000, 1))  # now its block ends last
        arrive(seen(4, 4), seen(5, 5))
        work(session)
    with day(4.001):
        work(session)
    assert held() == {name.format(which) for which in (1, 4, 5)}
    first, second = Reaction.objects.filter(kind="UNBLOCK").order_by("pk")
    assert (first.target, first.state) == (name.format(2), "done")
    assert "would have ended first, on 2026-12-01" in first.why
    assert second.target == name.format(3)
    acted = Reaction.objects.filter(kind__in=["BLOCK", "UNBLOCK"])
    assert {one.state for one in acted} == {"done"}
    with day(5):
        arrive(seen(6, 2))
    assert end_in_days() == 7  # its block did not reach its end, so this one is not doubled


@pytest.mark.one_database  # what the lists of AWS hold
def test_what_a_failed_block_did_on_one_path_ends_too(
    cloud: Cloud, ip_set: str, session: boto3.Session, settings: Settings
) -> None:
    settings.BLOCK_PREFIX_LISTS = [cloud.prefix_list()]
    cloud.fail("DescribeManagedPrefixLists", "ResourceNotFoundException")
    with day(0):
        arrive(attack(1, ADDRESS))
        work(session)
    assert Reaction.objects.in_force().get().state == "failed"
    assert cloud.addresses(ip_set) == {f"{ADDRESS}/32"}
    cloud.mend()
    with day(7):
        work(session)
    assert cloud.addresses(ip_set) == set()
    assert not Reaction.objects.in_force().exists()


@pytest.mark.one_database  # what the lists of AWS hold
def test_what_others_have_listed_makes_no_room(
    cloud: Cloud, ip_set: str, session: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wafv2, "CAPACITY", 2)
    cloud.set_addresses(ip_set, ["81.2.69.1/32"])
    for at, number in enumerate((1, 2, 3)):
        with day(at):
            arrive(attack(number, f"81.2.69.{number}"))
            work(session)
    assert [one.target for one in Reaction.objects.filter(kind="UNBLOCK")] == ["81.2.69.2"]


@pytest.mark.one_database  # what the lists of AWS hold
def test_prefix_lists_for_the_other_ip_version_are_not_full(
    cloud: Cloud, ip_set: str, session: boto3.Session, settings: Settings
) -> None:
    settings.BLOCK_IP_SETS, settings.BLOCK_PREFIX_LISTS = [], [cloud.prefix_list()]
    arrive(attack(1, "2a02:cf40::1"))
    work(session)
    answer = Reaction.objects.get().attempts.get().answer
    assert answer == "None of the prefix lists of BLOCK_PREFIX_LISTS is for IPv6. Add one."


@pytest.mark.one_database  # a page
def test_lists_that_are_nearly_full_are_told_on_the_page(
    cloud: Cloud, ip_set: str, session: boto3.Session, viewer_client: Client,
    settings: Settings, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(wafv2, "CAPACITY", 5)
    monkeypatch.setattr(domain_lists, "CAPACITY", 5)
    settings.BLOCK_PREFIX_LISTS = [cloud.prefix_list(limit=5)]
    settings.BLOCK_DOMAIN_LISTS = [cloud.domain_list()]
    set_action("BLOCK", finding_type=DGA)

    def told() -> list[tuple[str, str]]:
        page = viewer_client.get("/actions", headers={"Accept": "text/html"}).content.decode()
        return re.findall("<strong>The (.*) in eu-central-1 hold 4 of 5 (.*)\\.</strong>", page)

    arrive(*(attack(number) for number in range(3)))
    arrive(*(asked_for(f"{number}.example.org", number) for number in range(100, 103)))
    work(session)
    assert not told()
    arrive(attack(3), asked_for("4.example.org", 4))
    work(session)
    assert told() == [
        ("IPv4 IP sets", "addresses"),
        ("IPv4 prefix lists", "addresses"),
        ("domain lists", "domains"),
    ]
    assert {one[2:] for one in fill.levels()} == {
        ("eu-central-1", 4, 4, 5),
        ("eu-central-1", 0, 4, 5),
    }
    settings.BLOCK_PREFIX_LISTS = []
    assert told() == [("IPv4 IP sets", "addresses"), ("domain lists", "domains")]


def test_room_that_is_being_made_is_not_made_twice() -> None:
    arrive(attack(1), attack(2))
    settle()
    at = timezone.now()
    made = [len(limits.make_room(1, target_kind="address", version=4, at=at)) for _ in range(2)]
    assert made == [1, 0]
