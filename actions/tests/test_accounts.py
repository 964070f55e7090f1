"""The portal acts in the account of the finding, and in no other."""

from __future__ import annotations

from dataclasses import replace

import boto3
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.api_auth import Caller
from actions import by_hand, members, reconcile
from actions.aws.accounts import Access
from actions.by_hand import NotPossible, Request
from actions.execution import carry_out_due
from actions.models import MemberRole, Reaction, State
from actions.tests.attacks import STOLEN, arrive, attack, later, set_action, states, stolen, undo
from actions.tests.credentials import denied_before
from findings.models import AccountName, Finding
from license.models import License
from tests.aws import Cloud

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # calls to AWS

MEMBER = "210987654321"
EXTERNAL_ID = "threatreaction-123456789012"


@pytest.fixture(autouse=True)
def _every_account(ip_set: str, settings: Settings) -> None:
    settings.MEMBER_ACCOUNTS = ["all"]
    settings.MAX_CONTAINMENTS_PER_HOUR = 1000
    set_action("REVOKE", finding_type=STOLEN)


def theft(account_id: str, *, number: int = 1) -> dict[str, object]:
    """Returns a finding about stolen sessions of the role "deployer" in an account."""
    found = stolen("", number=number, name="deployer", kind="AssumedRole")
    return {**found, "accountId": account_id}


def test_of_200_accounts_those_with_the_role_are_acted_in(
    cloud: Cloud, session: boto3.Session
) -> None:
    accounts = [f"{number:012}" for number in range(1, 201)]
    without = accounts[::20]
    for account_id in accounts:
        cloud.role_in(account_id, "deployer")
    cloud.more.members |= dict.fromkeys(set(accounts) - set(without), EXTERNAL_ID)
    arrive(*(theft(one, number=number) for number, one in enumerate(accounts)))
    while carry_out_due(session):
        pass
    prevented = Reaction.objects.filter(state="prevented")
    assert set(prevented.values_list("account_id", flat=True)) == set(without)
    assert all("deploy/member.yaml" in one.outcome for one in prevented)
    assert states().count("done") == 190
    assert all(denied_before(cloud, "deployer", account_id=one) for one in accounts[1:4])
    roles = MemberRole.objects
    assert (roles.filter(problem="").count(), roles.exclude(problem="").count()) == (190, 10)


def test_credentials_are_kept_until_they_end_and_their_account_is_asked_first(
    cloud: Cloud, session: boto3.Session
) -> None:
    cloud.role_in(MEMBER, "deployer")
    cloud.more.members[MEMBER] = EXTERNAL_ID
    cloud.fail("PutRolePolicy", "Throttling", times=9)
    arrive(theft(MEMBER))
    carry_out_due(session)
    asked = [
        one for one in cloud.asked if one in {"AssumeRole", "GetCallerIdentity", "PutRolePolicy"}
    ]
    assert asked[:3] == ["AssumeRole", "GetCallerIdentity", "PutRolePolicy"]
    with later(minutes=50):
        carry_out_due(session)
    assert cloud.asked.count("AssumeRole") == 1
    cloud.mend()
    with later(minutes=56):
        Reaction.objects.all().postpone(timezone.now())
        carry_out_due(session)
    assert cloud.asked.count("AssumeRole") == 2
    assert states() == ["done"]


def test_credentials_are_not_in_the_text_of_an_access(session: boto3.Session) -> None:
    access = Access("123456789012", "arn", session, {"aws_secret_access_key": "hidden"})
    assert "hidden" not in repr(access)


def test_credentials_of_another_account_change_nothing(
    cloud: Cloud, session: boto3.Session, settings: Settings
) -> None:
    settings.AWS_ACCOUNT_ID = MEMBER  # but the worker has a role in another account
    cloud.role_in("123456789012", "deployer")
    arrive(theft(MEMBER))
    carry_out_due(session)
    assert states() == ["pending"]
    assert "of account 123456789012, not of 210987654321" in (
        Reaction.objects.get().attempts.get().answer
    )
    assert "PutRolePolicy" not in cloud.asked


@pytest.mark.parametrize(
    ("accounts", "external_id", "told"),
    [
        ([], EXTERNAL_ID, "MEMBER_ACCOUNTS"),
        (["none"], EXTERNAL_ID, "MEMBER_ACCOUNTS"),
        (["333333333333"], EXTERNAL_ID, "MEMBER_ACCOUNTS"),
        ([MEMBER], "another", "MEMBER_EXTERNAL_ID"),
    ],
)
def test_what_is_missing_is_told(
    cloud: Cloud, session: boto3.Session, settings: Settings, accounts: list[str],
    external_id: str, told: str,
) -> None:  # fmt: skip
    settings.MEMBER_ACCOUNTS, settings.MEMBER_EXTERNAL_ID = accounts, external_id
    cloud.more.members[MEMBER] = EXTERNAL_ID
    arrive(theft(MEMBER))
    carry_out_due(session)
    reaction = Reaction.objects.get()
    assert reaction.state == "prevented"
    assert told in reaction.outcome
    assert members.ROLE in reaction.outcome


def test_lists_of_another_account_are_changed_there(
    cloud: Cloud, ip_set: str, session: boto3.Session, settings: Settings, operator: User
) -> None:
    cloud.more.members[MEMBER] = EXTERNAL_ID
    there = cloud.in_account(MEMBER, EXTERNAL_ID)
    theirs, prefixes = there.ip_set("theirs"), there.prefix_list()
    assert f":{MEMBER}:" in theirs
    settings.BLOCK_IP_SETS, settings.BLOCK_PREFIX_LISTS = [ip_set, theirs], [prefixes]
    set_action("BLOCK")
    arrive(attack(1, "81.2.69.1"))
    carry_out_due(session)
    block = Reaction.objects.get()
    assert block.state == "done"
    blocked = {"81.2.69.1/32"}
    assert cloud.addresses(ip_set) == there.addresses(theirs) == there.prefixes(prefixes) == blocked
    there.set_addresses(theirs, [])
    reconcile.reconcile(session)
    assert there.addresses(theirs) == blocked
    undo(block, operator)
    carry_out_due(session)
    assert cloud.addresses(ip_set) == there.addresses(theirs) == there.prefixes(prefixes) == set()


def test_a_list_in_an_account_without_the_role_holds_up_no_other_list(
    cloud: Cloud, ip_set: str, session: boto3.Session, settings: Settings
) -> None:
    theirs = f"arn:aws:wafv2:eu-central-1:{MEMBER}:regional/ipset/theirs/1f-2e"
    settings.BLOCK_IP_SETS = [theirs, ip_set]
    set_action("BLOCK")
    arrive(attack(1, "81.2.69.1"))
    carry_out_due(session)
    assert cloud.addresses(ip_set) == {"81.2.69.1/32"}
    block = Reaction.objects.get()
    assert block.state == "pending"  # until the role is there
    assert "theirs: The role ThreatReactionContainment in" in block.attempts.get().answer


def test_the_accounts_page_tries_a_role(
    cloud: Cloud, session: boto3.Session, operator_client: Client, valid_license: License
) -> None:
    AccountName.objects.create(account_id=MEMBER, name="Production")
    AccountName.objects.create(account_id="123456789012", name="Security")
    path = f"/accounts/{MEMBER}/try-role"

    def shown() -> str:
        return operator_client.get("/accounts").content.decode()

    assert "Never tried" in shown()
    assert "own account" in shown()
    cloud.more.members[MEMBER] = EXTERNAL_ID
    operator_client.post(path)
    assert "Waiting for a worker" in shown()
    carry_out_due(session)
    assert "Answers" in shown()
    cloud.more.members.clear()
    operator_client.post(path)
    carry_out_due(session)
    page = shown()
    for told in ("Does not answer", "deploy/member.yaml", "Last answer"):
        assert told in page
    for wrong in ("123456789012", "12", "x"):
        assert operator_client.post(f"/accounts/{wrong}/try-role").status_code == 404


def test_who_may_not_act_tries_no_role(
    viewer_client: Client, valid_license: License, settings: Settings
) -> None:
    AccountName.objects.create(account_id=MEMBER, name="Production")
    assert viewer_client.post(f"/accounts/{MEMBER}/try-role").status_code == 403
    assert "try-role" not in viewer_client.get("/accounts").content.decode()


def test_a_role_is_restored_in_the_account_of_the_finding(operator: User) -> None:
    arrive(theft("123456789012", number=1), theft(MEMBER, number=2))
    Reaction.objects.all().settle(State.DONE, at=timezone.now(), outcome="")
    assert Reaction.objects.in_force().count() == 2  # of the same name, and not the same role
    finding = Finding.objects.get(account_id="123456789012")
    by = Caller(name="oscar", user=operator)
    for wanted, kind in (("RESTORE", "RESTORE"), ("REVOKE", "REVOKE")):
        asked = Request(wanted, "role", "deployer", "A test", finding)
        made = by_hand.act(asked, by=by, at=timezone.now())
        assert (made.kind, made.account_id, made.state) == (kind, "123456789012", "pending")


def test_what_is_in_force_in_several_accounts_is_not_undone_in_any_one(operator: User) -> None:
    arrive(theft("123456789012", number=1), theft(MEMBER, number=2))
    Reaction.objects.all().settle(State.DONE, at=timezone.now(), outcome="")
    by = Caller(name="oscar", user=operator)
    asked = Request("RESTORE", "role", "deployer", "A test")  # on the page of the role
    with pytest.raises(NotPossible, match=f"several accounts: 123456789012, {MEMBER}"):
        by_hand.act(asked, by=by, at=timezone.now())
    own = Finding.objects.get(account_id="123456789012")
    by_hand.act(replace(asked, finding=own), by=by, at=timezone.now())
    made = by_hand.act(asked, by=by, at=timezone.now())  # one is left
    assert (made.kind, made.account_id) == ("RESTORE", MEMBER)


def test_many_events_revoke_a_role_in_each_of_their_accounts(
    operator_client: Client, valid_license: License
) -> None:
    own = "123456789012"
    arrive(theft(MEMBER, number=1), theft(own, number=2), theft(own, number=3))
    pks = list(Finding.objects.values_list("pk", flat=True))
    said = {"finding": pks, "what": "REVOKE", "lasts": "policy", "reason": "A test"}
    operator_client.post("/actions/by-hand/events", said)
    asked = Reaction.objects.filter(requested_by_name="oscar").order_by("account_id")
    assert [one.account_id for one in asked] == [own, MEMBER]


@pytest.mark.parametrize(
    "actor",
    [
        {"user": {"name": "deployer", "type": "AssumedRole", "account": {"uid": MEMBER}}},
        {"session": {"issuer": f"arn:aws:iam::{MEMBER}:role/deployer"}},
    ],
)
def test_a_role_of_another_account_protects_its_namesake(actor: dict[str, object]) -> None:
    # An attacker chooses the names of the roles with which it calls from its own account.
    sequence = "AttackSequence:IAM/CompromisedCredentials"
    set_action("REVOKE", finding_type=sequence)
    service = {"detection": {"sequence": {"actors": [actor]}}}
    arrive(attack(1, type=sequence, service=service))
    reaction = Reaction.objects.get(target="deployer")
    assert reaction.state == "prevented"
    assert "another account" in reaction.outcome
