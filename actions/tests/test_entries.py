"""An entry that others had put into a list stays there when the portal's block of it ends."""

from __future__ import annotations

import boto3
import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import limits, reconcile
from actions.execution import carry_out_due
from actions.models import Reaction
from actions.tests.attacks import arrive, attack, set_action, undo
from actions.tests.test_limits import day
from actions.tests.test_paths import DGA, asked_for
from tests.aws import Cloud

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # calls to AWS

ADDRESS, CIDR, DOMAIN = "81.2.0.2", "81.2.0.2/32", "bad.example.org"


@pytest.fixture(autouse=True)
def _blocks(ip_set: str) -> None:
    set_action("BLOCK")
    set_action("BLOCK", finding_type=DGA)


def block(session: boto3.Session, number: int = 1) -> Reaction:
    arrive(attack(number, ADDRESS))
    carry_out_due(session)
    return Reaction.objects.filter(kind="BLOCK").latest("pk")


def unblock(session: boto3.Session, by: User) -> Reaction:
    asked = undo(Reaction.objects.in_force().get(target=ADDRESS), by)
    assert asked
    carry_out_due(session)
    asked.refresh_from_db()
    assert asked.state == "done"
    return asked


def test_an_undo_leaves_it_where_it_was_and_says_so(
    cloud: Cloud, ip_set: str, session: boto3.Session, settings: Settings, operator: User
) -> None:
    settings.BLOCK_PREFIX_LISTS = [cloud.prefix_list()]
    cloud.set_addresses(ip_set, [CIDR])
    for number in (1, 2):  # a second finding about it changes nothing
        blocked = block(session, number)
        told = "It was in the IP set blocked already, so it stays there when the block ends."
        assert told in blocked.outcome
    assert cloud.prefixes(settings.BLOCK_PREFIX_LISTS[0]) == {CIDR}
    unblocked = unblock(session, operator)
    reconcile.reconcile(session)
    assert cloud.prefixes(settings.BLOCK_PREFIX_LISTS[0]) == set()
    assert cloud.addresses(ip_set) == {CIDR}
    assert "It stays in the IP set blocked: others have put it there" in unblocked.outcome
    cloud.set_addresses(ip_set, [])  # what was so before an earlier block is no longer so
    block(session, 3)
    assert "stays" not in unblock(session, operator).outcome
    assert cloud.addresses(ip_set) == set()


def test_the_end_of_a_block_leaves_a_domain_where_it_was(
    cloud: Cloud, session: boto3.Session, settings: Settings
) -> None:
    settings.BLOCK_DOMAIN_LISTS = [cloud.domain_list()]
    cloud.more.domain_lists["rslvr-fdl-1"] = {DOMAIN}
    with day(0):
        arrive(asked_for(DOMAIN, 1), asked_for("other.example.org", 2))
        carry_out_due(session)
    with day(8):
        assert limits.lift(timezone.now()) == 2
        carry_out_due(session)
    assert cloud.more.domain_lists["rslvr-fdl-1"] == {DOMAIN}


def test_an_entry_that_the_portal_has_put_back_is_its_own(
    cloud: Cloud, ip_set: str, session: boto3.Session, operator: User
) -> None:
    cloud.set_addresses(ip_set, [CIDR])
    block(session)
    cloud.set_addresses(ip_set, [])  # others no longer want it, and the block is in force
    reconcile.reconcile(session)
    assert cloud.addresses(ip_set) == {CIDR}
    unblock(session, operator)
    assert cloud.addresses(ip_set) == set()


def test_an_entry_of_an_earlier_version_which_remembered_nothing_is_the_portals(
    cloud: Cloud, ip_set: str, session: boto3.Session, operator: User
) -> None:
    arrive(attack(1, ADDRESS))
    Reaction.objects.all().settle("done", at=timezone.now(), outcome="")  # type: ignore[arg-type]
    cloud.set_addresses(ip_set, [CIDR])
    block(session, 2)
    unblock(session, operator)
    assert cloud.addresses(ip_set) == set()


def test_an_entry_of_an_earlier_version_stays_the_portals_if_a_path_is_added(
    cloud: Cloud, ip_set: str, session: boto3.Session, settings: Settings, operator: User
) -> None:
    arrive(attack(1, ADDRESS))
    Reaction.objects.all().settle("done", at=timezone.now(), outcome="")  # type: ignore[arg-type]
    cloud.set_addresses(ip_set, [CIDR])
    settings.BLOCK_PREFIX_LISTS = [cloud.prefix_list()]
    reconcile.reconcile(session)
    assert cloud.prefixes(settings.BLOCK_PREFIX_LISTS[0]) == {CIDR}
    block(session, 2)
    unblock(session, operator)
    assert cloud.prefixes(settings.BLOCK_PREFIX_LISTS[0]) == set()
    assert cloud.addresses(ip_set) == set()


def test_an_entry_of_a_list_that_was_set_up_after_the_block_is_not_the_portals(
    cloud: Cloud, ip_set: str, session: boto3.Session, settings: Settings, operator: User
) -> None:
    block(session)
    theirs = cloud.prefix_list()
    cloud.add_prefix(theirs, CIDR)
    settings.BLOCK_PREFIX_LISTS = [theirs]
    reconcile.reconcile(session)
    unblock(session, operator)
    reconcile.reconcile(session)
    assert cloud.addresses(ip_set) == set()
    assert cloud.prefixes(theirs) == {CIDR}
