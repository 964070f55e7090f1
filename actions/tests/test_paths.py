"""BLOCK uses every path that is set up, and says where none stops the traffic."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import reconcile
from actions.aws import lists
from actions.execution import carry_out_due
from actions.models import Attempt, Reaction
from actions.tests.attacks import arrive, attack, set_action, undo
from tests.aws import Cloud

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # calls to AWS

DGA = "Trojan:EC2/DGADomainRequest.B"
DOMAIN = "xn--c-1ga.example.org"


@pytest.fixture(autouse=True)
def _blocks(ip_set: str) -> None:
    set_action("BLOCK")
    set_action("BLOCK", finding_type=DGA)


def asked_for(domain: str, number: int = 1) -> dict[str, Any]:
    """Returns a finding about an instance that asked for a domain."""
    action = {"actionType": "DNS_REQUEST", "dnsRequestAction": {"domain": domain}}
    return attack(number, type=DGA, service={"action": action})


def blocks() -> list[tuple[str, str]]:
    rows = Reaction.objects.filter(kind="BLOCK").order_by("pk")
    return list(rows.values_list("target", "state"))


def test_an_address_goes_to_ip_sets_and_prefix_lists_and_leaves_both(
    cloud: Cloud, ip_set: str, session: boto3.Session, settings: Settings, operator: User
) -> None:
    settings.BLOCK_PREFIX_LISTS = [cloud.prefix_list(), cloud.prefix_list(version=6)]
    four, six = settings.BLOCK_PREFIX_LISTS
    settings.BLOCK_IP_SETS = [ip_set, cloud.ip_set("six", version=6)]
    arrive(attack(1, port=22), attack(2, "2a02:cf40::1"))
    carry_out_due(session)
    assert blocks() == [("81.2.0.2", "done"), ("2a02:cf40::1", "done")]
    assert (cloud.prefixes(four), cloud.prefixes(six)) == ({"81.2.0.2/32"}, {"2a02:cf40::1/128"})
    assert cloud.addresses(ip_set) == {"81.2.0.2/32"}
    undo(Reaction.objects.earliest("pk"), operator)
    carry_out_due(session)
    assert cloud.prefixes(four) == cloud.addresses(ip_set) == set()


def test_what_others_put_into_a_list_stays_and_more_than_100_fit_at_once(
    cloud: Cloud, session: boto3.Session, settings: Settings
) -> None:
    settings.BLOCK_IP_SETS, settings.MAX_CONTAINMENTS_PER_HOUR = [], 1000
    arn = cloud.prefix_list()
    settings.BLOCK_PREFIX_LISTS = [arn]
    cloud.client("ec2").modify_managed_prefix_list(
        PrefixListId=arn.partition("/")[2], CurrentVersion=1, AddEntries=[{"Cidr": "9.9.9.0/24"}]
    )
    arrive(*(attack(number, port=22) for number in range(150)))
    cloud.fail("ModifyManagedPrefixList", "PrefixListVersionMismatch", times=2)
    carry_out_due(session)
    assert {state for _, state in blocks()} == {"done"}
    assert len(cloud.prefixes(arn)) == 151
    assert "9.9.9.0/24" in cloud.prefixes(arn)
    assert "Not used: WAF IP sets" in Reaction.objects.latest("pk").outcome


def test_a_full_list_overflows_into_the_next_and_then_waits(
    cloud: Cloud, session: boto3.Session, settings: Settings
) -> None:
    settings.BLOCK_PREFIX_LISTS = [cloud.prefix_list(limit=2), cloud.prefix_list(limit=1)]
    arrive(*(attack(number, port=22) for number in range(1, 5)))
    carry_out_due(session)
    assert [len(cloud.prefixes(one)) for one in settings.BLOCK_PREFIX_LISTS] == [2, 1]
    assert sorted(state for _, state in blocks()) == ["done"] * 3 + ["pending"]
    assert "are full" in Attempt.objects.get(succeeded=False).answer


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("ModifyManagedPrefixList", "RequestLimitExceeded"),
        ("ModifyManagedPrefixList", "UnauthorizedOperation"),
        ("UpdateFirewallDomains", "ConflictException"),
        ("UpdateFirewallDomains", ""),  # it hangs
    ],
)
def test_what_fails_on_a_path_is_tried_again(
    cloud: Cloud, session: boto3.Session, settings: Settings, monkeypatch: pytest.MonkeyPatch,
    operation: str, code: str,
) -> None:  # fmt: skip
    settings.BLOCK_PREFIX_LISTS, settings.BLOCK_DOMAIN_LISTS = (
        [cloud.prefix_list()], [cloud.domain_list()],
    )  # fmt: skip
    if code:
        cloud.fail(operation, code, times=9)
    else:
        impatient = Config(read_timeout=2, retries={"total_max_attempts": 1})
        monkeypatch.setattr(lists, "CONFIG", impatient)
        cloud.hang(operation)
    arrive(attack(1, port=22), asked_for(DOMAIN, 2))
    carry_out_due(session)
    assert sorted(state for _, state in blocks()) == ["done", "pending"]
    assert (code or "Timeout") in Attempt.objects.get(succeeded=False).answer
    cloud.mend()
    Reaction.objects.all().postpone(timezone.now())
    carry_out_due(session)
    assert {state for _, state in blocks()} == {"done"}


def test_a_domain_is_no_longer_resolved_until_it_is_unblocked(
    cloud: Cloud, session: boto3.Session, settings: Settings, operator: User
) -> None:
    settings.BLOCK_DOMAIN_LISTS = [cloud.domain_list()]
    (listed,) = cloud.more.domain_lists.values()
    listed |= {"by-hand.example", "a.example", "b.example."}
    arrive(asked_for(f"{DOMAIN.upper()}.", 1), asked_for("a.example", 2))
    carry_out_due(session)
    assert blocks() == [(DOMAIN, "done"), ("a.example", "done")]
    (listed,) = cloud.more.domain_lists.values()
    assert listed == {DOMAIN, "by-hand.example", "a.example", "b.example."}
    undo(Reaction.objects.get(target=DOMAIN), operator)
    carry_out_due(session)
    assert DOMAIN not in cloud.more.domain_lists["rslvr-fdl-1"]


def test_a_name_that_aws_refuses_keeps_out_no_other_domain(
    cloud: Cloud, session: boto3.Session, settings: Settings
) -> None:
    settings.BLOCK_DOMAIN_LISTS = [cloud.domain_list()]
    names = ("a_b.example", "a.-b", DOMAIN, "c.example")
    arrive(*(asked_for(name, number) for number, name in enumerate(names)))
    carry_out_due(session)
    assert blocks() == list(zip(names, ("failed", "failed", "done", "done"), strict=True))
    assert cloud.more.domain_lists["rslvr-fdl-1"] == {DOMAIN, "c.example"}


def test_a_domain_that_is_never_blocked_now_is_not_put_back(
    cloud: Cloud, session: boto3.Session, settings: Settings
) -> None:
    settings.BLOCK_DOMAIN_LISTS = [cloud.domain_list()]
    arrive(asked_for(DOMAIN))
    carry_out_due(session)
    cloud.more.domain_lists["rslvr-fdl-1"] = set()
    settings.NEVER_BLOCK_DOMAINS = [DOMAIN]
    reconcile.reconcile(session)
    assert cloud.more.domain_lists["rslvr-fdl-1"] == set()


def test_lists_that_differ_from_the_log_are_mended(
    cloud: Cloud, session: boto3.Session, settings: Settings, operator: User
) -> None:
    arn = cloud.prefix_list()
    settings.BLOCK_PREFIX_LISTS, settings.BLOCK_DOMAIN_LISTS = [arn], [cloud.domain_list()]
    arrive(attack(1), attack(2), asked_for(DOMAIN, 3))
    carry_out_due(session)
    undo(Reaction.objects.get(target="81.2.0.3"), operator)
    carry_out_due(session)
    about = {"PrefixListId": arn.partition("/")[2], "CurrentVersion": 3}
    by_hand = [{"Cidr": one} for one in ("9.9.9.9/32", "81.2.0.3/32")]
    cloud.client("ec2").modify_managed_prefix_list(
        **about, AddEntries=by_hand, RemoveEntries=[{"Cidr": "81.2.0.2/32"}]
    )
    cloud.more.domain_lists["rslvr-fdl-1"] = {"by-hand.example"}
    reconcile.reconcile(session)
    assert cloud.prefixes(arn) == {"9.9.9.9/32", "81.2.0.2/32"}
    assert cloud.more.domain_lists["rslvr-fdl-1"] == {"by-hand.example", DOMAIN}
    assert Attempt.objects.filter(answer__contains="was put back").count() == 2


@pytest.mark.parametrize(
    ("domain", "told"),
    [
        ("testserver.example", "portal itself"),
        ("example", ""),
        ("s3.eu-central-1.amazonaws.com", "in amazonaws.com"),
        ("cdn.partner.example", "NEVER_BLOCK_DOMAINS"),
    ],
)
def test_a_domain_that_others_need_is_not_blocked(
    settings: Settings, domain: str, told: str
) -> None:
    settings.PORTAL_URL = "https://portal.testserver.example"
    settings.NEVER_BLOCK_DOMAINS = ["Partner.example"]
    settings.BLOCK_DOMAIN_LISTS = ["a list"]
    arrive(asked_for(domain))
    found = Reaction.objects.filter(target=domain)
    assert [one.state for one in found] == (["prevented"] if told else [])
    assert all(told in one.outcome for one in found)


def no_path(**members: Any) -> str:
    arrive(attack(1, **members))
    block = Reaction.objects.get(kind="BLOCK")
    return block.outcome if block.state == "prevented" else ""


def api_call() -> dict[str, Any]:
    details = {"remoteIpDetails": {"ipAddressV4": "81.2.69.1"}}
    return {"action": {"actionType": "AWS_API_CALL", "awsApiCallAction": details}}


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"port": 443}, ""),
        ({"port": 22}, "No path for SSH: a web ACL stops HTTP only. Set up BLOCK_PREFIX_LISTS."),
        ({"port": None}, "No path for SSH:"),
        ({"port": 5432}, "No path for port 5432:"),
        ({"service": api_call()}, "No path for calls to AWS APIs"),
    ],
)
def test_what_a_web_acl_does_not_stop_is_told(members: dict[str, Any], told: str) -> None:
    answer = no_path(**members)
    assert answer.startswith(told)
    assert bool(answer) == bool(told)


def test_without_any_path_the_log_says_what_to_set_up(settings: Settings) -> None:
    settings.BLOCK_IP_SETS = []
    assert no_path() == "No path for HTTP: set up BLOCK_IP_SETS or BLOCK_PREFIX_LISTS."


def test_the_actions_page_lists_the_paths(viewer_client: Client, settings: Settings) -> None:
    settings.BLOCK_DOMAIN_LISTS = ["a list"]
    page = viewer_client.get("/actions", headers={"Accept": "text/html"}).content.decode()
    shown = page.partition("<summary>Paths")[2].partition("</details>")[0]
    for name, state in (
        ("WAF IP sets", "Set up"),
        ("Prefix lists", "Not set up: BLOCK_PREFIX_LISTS"),
        ("DNS Firewall domain lists", "Set up"),
        ("Isolation of instances", "Not set up: ISOLATION"),
    ):
        assert state in shown.partition(f"<dt>{name}")[2].partition("</dd>")[0]
