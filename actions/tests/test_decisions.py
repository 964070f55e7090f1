"""Decisions about new findings."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions.models import Allowance, Reaction
from actions.tests.attacks import STOLEN, arrive, attack, set_action, stolen
from findings.models import Finding
from findings.tests.findings import BRUTE_FORCE
from tests.at_once import at_once

pytestmark = pytest.mark.one_database  # rules in Python


@pytest.fixture(autouse=True)
def _containment_is_on(db: None, settings: Settings) -> None:
    settings.CONTAINMENT = "on"


def decided() -> list[tuple[str, str, str]]:
    return list(Reaction.objects.order_by("pk").values_list("kind", "target", "state"))


def outcome() -> str:
    return Reaction.objects.get().outcome


def test_each_action_of_policy_asks_for_its_own() -> None:
    for number, (action, expected) in enumerate(
        {
            "IGNORE": [],
            "REPORT": [],
            "BLOCK": [("BLOCK", "81.2.0.3", "pending")],
            "SAVE": [("SAVE", f"123456789012/eu-central-1/2026/11/23/{3:032x}.json", "pending")],
        }.items()
    ):
        set_action(action)
        seen = Reaction.objects.count()
        arrive(attack(number))
        assert decided()[seen:] == expected


def test_every_address_of_a_probe_is_blocked() -> None:
    set_action("BLOCK")
    arrive(attack(1, "81.2.69.1", "81.2.69.2", "2a02:cf40::1"))
    assert {target for _, target, _ in decided()} == {"81.2.69.1", "81.2.69.2", "2a02:cf40::1"}


@pytest.mark.parametrize("action", ["BLOCK", "REVOKE"])
def test_a_finding_about_credentials_has_them_revoked(action: str) -> None:
    set_action(action, finding_type=STOLEN)
    arrive(stolen("AKIAIOSFODNN7EXAMPLE"))
    blocked = [("BLOCK", "81.2.0.2", "pending")] if action == "BLOCK" else []
    assert decided() == [*blocked, ("REVOKE", "AKIAIOSFODNN7EXAMPLE", "pending")]


def test_the_sessions_of_a_role_are_revoked_and_its_temporary_key_is_not() -> None:
    set_action("REVOKE", finding_type=STOLEN)
    arrive(stolen("ASIAIOSFODNN7EXAMPLE", name="deployer", kind="AssumedRole"))
    assert set(decided()) == {
        ("REVOKE", "deployer", "pending"),
        ("REVOKE", "ASIAIOSFODNN7EXAMPLE", "prevented"),
    }


@pytest.mark.parametrize("key", ["AKIAIOSFODNN7EXAMPLE", None])
def test_the_root_user_is_never_touched(key: str) -> None:
    set_action("REVOKE", finding_type=STOLEN)
    arrive(stolen(key, name="", kind="Root"))
    assert {state for _, _, state in decided()} == {"prevented"}
    assert all("root" in reaction.outcome for reaction in Reaction.objects.all())


def test_the_credential_of_another_account_is_only_reported() -> None:
    set_action("REVOKE", finding_type=STOLEN)
    arrive(stolen("AKIAIOSFODNN7EXAMPLE") | {"accountId": "210987654321"})
    assert "210987654321, which MEMBER_ACCOUNTS does not name" in outcome()


def test_what_names_nothing_to_act_on_says_so() -> None:
    set_action("REVOKE")
    arrive(attack())
    assert decided() == [("REVOKE", "", "prevented")]
    assert outcome() == "The finding names no credential."


def in_a_container(details: dict[str, Any]) -> str:
    """Returns the outcome of BLOCK for a finding about a file in a container."""
    runtime = "Execution:Runtime/NewBinaryExecuted"
    set_action("BLOCK", finding_type=runtime)
    node = {"instanceDetails": {"instanceId": "i-0123456789abcdef0"}}
    service = {"action": {}, "runtimeDetails": {"process": {"name": "x"}}}
    arrive(attack(1, type=runtime, resource=node | details, service=service))
    assert decided() == [("BLOCK", "", "prevented")]
    return outcome()


def test_what_block_cannot_do_about_a_container_is_told() -> None:
    cluster = {"eksClusterDetails": {"name": "shop"}}
    assert in_a_container(cluster) == (
        "The finding is about a container. Its node, which can run other containers, is not"
        " isolated. Use REVOKE for the cluster shop."
    )


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "127.0.0.1", "169.254.169.254", "100.64.0.1", "192.0.2.1", "224.0.0.1",
     "0.0.0.1", "255.255.255.255", "::1", "fe80::1", "fd00::1", "ff02::1", "2001:db8::1",
     "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1", "240.0.0.1"],
)  # fmt: skip
def test_an_address_that_is_not_of_the_internet_is_not_blocked(address: str) -> None:
    set_action("BLOCK")
    arrive(attack(1, address))
    assert Reaction.objects.get().state == "prevented"
    assert "private or reserved" in outcome()


@pytest.mark.parametrize(
    ("cidr", "address"), [("81.2.0.0/16", "81.2.69.160"), (" 2a02:cf40::/32", "2a02:cf40::7")]
)
def test_the_never_block_list_is_never_blocked(settings: Settings, cidr: str, address: str) -> None:
    settings.NEVER_BLOCK = ["9.9.9.9", cidr]
    set_action("BLOCK")
    arrive(attack(1, address), attack(2, "81.3.0.1"))
    assert [state for _, _, state in decided()] == ["prevented", "pending"]
    assert cidr.strip() in Reaction.objects.earliest("pk").outcome


def test_an_address_of_the_accounts_own_is_not_blocked(settings: Settings) -> None:
    settings.PORTAL_URL = "https://81.2.69.99"
    set_action("BLOCK")
    instance = {"networkInterfaces": [{"publicIp": "81.2.69.7", "ipv6Addresses": ["2a02::7"]}]}
    own = {"instanceDetails": {"instanceId": "i-1"} | instance}
    arrive(attack(1, "81.2.69.7", "2a02::7", "81.2.69.8", "81.2.69.99", resource=own))
    assert {target for _, target, state in decided() if state == "pending"} == {"81.2.69.8"}


def test_the_target_of_an_own_resource_that_attacks_is_not_blocked() -> None:
    set_action("BLOCK")
    arrive(attack(service={"resourceRole": "ACTOR"}))
    assert "own resource acted" in Reaction.objects.get(kind="BLOCK").outcome


def allow(administrator: User, kind: str, name: str, finding_type: str = BRUTE_FORCE) -> None:
    Allowance.objects.create(
        kind=kind, name=name, finding_type=finding_type, added_at=timezone.now(),
        added_by=administrator,
    )  # fmt: skip


@pytest.mark.every_database  # queries
def test_what_is_allowed_is_reported_only_and_the_row_says_so(administrator: User) -> None:
    set_action("BLOCK")
    allow(administrator, "address", "81.2.69.1")
    arrive(attack(1, "81.2.69.1", "81.2.69.2"))
    assert decided() == [
        ("BLOCK", "81.2.69.1", "prevented"),
        ("BLOCK", "81.2.69.2", "pending"),
    ]
    assert "allowlist" in Reaction.objects.earliest("pk").outcome


def test_an_instance_that_is_allowed_spares_every_address(administrator: User) -> None:
    set_action("BLOCK")
    allow(administrator, "instance", "i-0123456789abcdef0")
    arrive(attack(1, "81.2.69.1", "81.2.69.2"))
    assert {state for _, _, state in decided()} == {"prevented"}


def test_a_credential_that_is_allowed_is_not_revoked(administrator: User) -> None:
    set_action("REVOKE", finding_type=STOLEN)
    allow(administrator, "user", "bob", STOLEN)
    arrive(stolen("AKIAIOSFODNN7EXAMPLE"))
    assert "bob is on the allowlist" in outcome()


@pytest.mark.every_database  # queries
def test_an_allowance_is_for_one_finding_type(administrator: User) -> None:
    allow(administrator, "address", "81.2.0.2", finding_type="Recon:EC2/Portscan")
    set_action("BLOCK")
    arrive(attack(1))
    assert decided() == [("BLOCK", "81.2.0.2", "pending")]


@pytest.mark.every_database  # queries
def test_the_same_finding_again_is_acted_on_once() -> None:
    set_action("BLOCK")
    arrive(attack(1))
    arrive(attack(1), attack(1, service={"count": 9}))
    assert len(decided()) == 1


def test_a_dry_run_decides_and_leaves_it_there(settings: Settings) -> None:
    settings.CONTAINMENT = "dry-run"
    set_action("BLOCK")
    arrive(attack(1), attack(2, "10.0.0.1"))
    assert decided() == [("BLOCK", "81.2.0.2", "dry run"), ("BLOCK", "10.0.0.1", "prevented")]


@pytest.mark.every_database  # transactions
def test_no_finding_is_stored_without_what_is_to_be_done_about_it(settings: Settings) -> None:
    settings.NEVER_BLOCK = ["nonsense"]
    set_action("BLOCK")
    with pytest.raises(ValueError, match="nonsense"):
        arrive(attack(1))
    assert not Finding.objects.exists()


@pytest.mark.every_database  # two workers
@pytest.mark.django_db(transaction=True)
def test_two_workers_with_the_same_findings_decide_once() -> None:
    set_action("BLOCK")
    batch = [attack(number) for number in range(50)]
    at_once(lambda: arrive(*batch), lambda: arrive(*reversed(batch)))
    assert len(decided()) == 50


def test_an_id_leads_into_no_other_folder() -> None:
    set_action("SAVE")
    arrive(attack(1, id="../../x/\u202ey", accountId="..", region="a/b"))
    account, region, *day, name = Reaction.objects.get().target.split("/")
    assert (account, region, "-".join(day)) == ("_", "a_b", "2026-11-23")
    assert name.endswith(".json")


@pytest.mark.parametrize("action", ["BLOCK", "SAVE"])
def test_a_finding_that_guardduty_archived_is_stored_and_not_acted_on(action: str) -> None:
    set_action(action)
    arrive(attack(service={"archived": True}))
    reaction = Reaction.objects.get()
    assert (reaction.state, reaction.outcome) == (
        "prevented",
        "The finding is archived in GuardDuty.",
    )


def test_a_rule_that_simulates_decides_and_leaves_it_there() -> None:
    set_action("BLOCK", severity="MEDIUM")
    set_action("SIMULATE_BLOCK", severity="HIGH")
    arrive(attack(1), attack(2, "10.0.0.1"), attack(3, "81.2.0.2", severity=5.0))
    assert decided() == [
        ("BLOCK", "81.2.0.2", "dry run"),
        ("BLOCK", "10.0.0.1", "prevented"),
        ("BLOCK", "81.2.0.2", "pending"),
    ]
    simulated = Reaction.objects.earliest("pk")
    assert simulated.outcome.startswith("Nothing was done: the rule simulates.")
    assert simulated.why == f"SIMULATE_BLOCK is set for {BRUTE_FORCE}, HIGH."
    assert simulated.due_at is None
    [standing] = Reaction.objects.filter(kind="BLOCK").in_force().undoable()
    assert standing.state == "pending"  # nothing simulated can be undone
    set_action("SIMULATE_SAVE", severity="LOW")
    set_action("SIMULATE_REVOKE", finding_type=STOLEN)
    seen = Reaction.objects.count()
    arrive(attack(4, severity=2.0), stolen("AKIABOB", number=5))
    assert [(kind, state) for kind, _, state in decided()[seen:]] == [
        ("SAVE", "dry run"),
        ("REVOKE", "dry run"),
    ]
