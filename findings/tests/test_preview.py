"""The preview of staged changes."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.api_auth import Caller
from findings import policy, preview
from findings.guardduty.entities import Kind
from findings.ingest import ingest
from findings.models import Entity, Finding, Mention, PolicyChange, Target, ThreatPolicy
from findings.policy import Setting
from findings.preview import Preview
from findings.tests.api import assert_problem, pointers
from findings.tests.findings import BRUTE_FORCE, finding

pytestmark = pytest.mark.django_db

PORTSCAN = "Recon:EC2/Portscan"
BLOCK_EC2 = Setting(Target("EC2", "", ""), "BLOCK")


def arrive(*numbers: int, days_ago: float = 1, **members: Any) -> None:
    seen_at = timezone.now() - timedelta(days=days_ago)
    last = {"eventLastSeen": seen_at.isoformat()} | members.pop("service", {})
    found = [finding(number, service=last, **members) for number in numbers]
    ingest(found, settings={}, at=timezone.now())


def saved(*settings: Setting) -> None:
    policy.set_policies(
        settings,
        by=Caller(name="somebody", client_id="x"),
        source=PolicyChange.Source.API,
        at=timezone.now(),
    )


def tried(*settings: Setting) -> Preview:
    return preview.preview(settings, at=timezone.now())


def told(*settings: Setting) -> list[str]:
    return list(tried(*settings).sentences())


def set_to(action: str, finding_type: str = BRUTE_FORCE, severity: str = "") -> Setting:
    return Setting(Target("", finding_type, severity), action)


def post(client: Client, body: object, content_type: str = "application/json") -> Any:
    text = body if isinstance(body, bytes) else json.dumps(body)
    return client.post("/threats/preview", text, content_type=content_type)


EC2 = {"policies": [{"service": "EC2", "action": "BLOCK"}]}


# What is counted


def test_what_would_have_been_blocked_is_told_with_its_addresses() -> None:
    arrive(1, 2, 3)
    shown = tried(BLOCK_EC2)
    assert list(shown.sentences()) == ["3 more would have been blocked, from 3 addresses."]
    assert shown.heading == "Effect of these changes on findings in the last 30 days (3 in total):"
    assert shown.addresses.named == ["198.51.100.1", "198.51.100.2", "198.51.100.3"]


def test_an_address_counts_once_and_that_of_most_findings_comes_first() -> None:
    arrive(1)
    arrive(2)
    arrive(2 + 256)  # the address of 2 again
    assert tried(BLOCK_EC2).addresses.named == ["198.51.100.2", "198.51.100.1"]


def test_who_is_no_address_is_not_named() -> None:
    role = {"accessKeyDetails": {"accessKeyId": "AKIA", "userName": "eve", "userType": "IAMUser"}}
    arrive(1, resource=role)
    assert tried(BLOCK_EC2).addresses.named == ["198.51.100.1"]


def test_an_address_that_was_acted_upon_is_not_named() -> None:
    arrive(1)
    victim = Entity.objects.create(kind=Kind.ADDRESS, name="203.0.113.9")
    Mention.objects.create(finding=Finding.objects.get(), entity=victim, is_actor=False)
    assert tried(BLOCK_EC2).addresses.named == ["198.51.100.1"]


def test_the_addresses_are_those_of_what_becomes_blocked_alone() -> None:
    arrive(1)
    arrive(2, type=PORTSCAN)
    assert tried(set_to("BLOCK"), set_to("IGNORE", PORTSCAN)).addresses.named == ["198.51.100.1"]


def test_findings_without_an_address_are_counted_all_the_same() -> None:
    arrive(1, service={"action": {}})
    assert told(BLOCK_EC2) == ["1 more would have been blocked."]


@pytest.mark.one_database  # texts
@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("BLOCK", "REPORT", "1 would no longer have been blocked."),
        ("REPORT", "IGNORE", "1 would have been ignored instead of reported."),
        ("IGNORE", "REPORT", "1 that the current policy ignores would have been reported."),
        ("SAVE", "REPORT", "1 would no longer have had the action Save."),
        ("REPORT", "REVOKE", "1 more would have had the action Revoke."),
    ],
)
def test_every_other_way_is_told_too(before: str, after: str, sentence: str) -> None:
    saved(set_to(before))
    arrive(1)
    assert told(set_to(after)) == [sentence]


def test_from_one_action_to_another_both_are_told() -> None:
    saved(set_to("BLOCK"))
    arrive(1)
    assert told(set_to("IGNORE")) == [
        "1 would no longer have been blocked.",
        "1 would have been ignored instead of reported.",
    ]


def test_a_setting_that_is_taken_back_lets_through_what_it_overrode() -> None:
    saved(BLOCK_EC2, set_to("IGNORE"))
    arrive(1)
    assert told(set_to("")) == [
        "1 more would have been blocked, from 1 address.",
        "1 that the current policy ignores would have been reported.",
    ]


# What is not counted


def test_what_was_seen_before_the_30_days_is_not_counted() -> None:
    arrive(1, days_ago=29.9)
    arrive(2, days_ago=30.1)
    assert told(BLOCK_EC2) == ["1 more would have been blocked, from 1 address."]
    assert tried(BLOCK_EC2).addresses.named == ["198.51.100.1"]


def test_other_severities_and_types_stay_as_they_are() -> None:
    arrive(1, severity=8)
    arrive(2, severity=2)
    arrive(3, type=PORTSCAN)
    assert told(set_to("BLOCK", severity="HIGH")) == [
        "1 more would have been blocked, from 1 address."
    ]
    assert tried(set_to("BLOCK", severity="HIGH")).addresses.named == ["198.51.100.1"]


def test_a_more_specific_setting_stays() -> None:
    saved(set_to("SAVE"))
    arrive(1)
    arrive(2, type=PORTSCAN)
    shown = tried(BLOCK_EC2)
    assert list(shown.sentences()) == ["1 more would have been blocked, from 1 address."]
    assert shown.addresses.named == ["198.51.100.2"]


def test_a_finding_whose_severity_is_not_said_follows_the_type() -> None:
    arrive(1, severity=None)
    assert told(set_to("BLOCK", severity="HIGH")) == []
    assert told(set_to("BLOCK")) == ["1 more would have been blocked, from 1 address."]


def test_what_could_not_be_understood_makes_no_difference() -> None:
    ingest([{"accountId": 7}], settings={}, at=timezone.now())
    assert told(BLOCK_EC2) == []


def test_what_the_policy_says_now_counts_and_not_what_it_said_then() -> None:
    arrive(1)  # it was reported
    saved(BLOCK_EC2)
    assert told(BLOCK_EC2) == []


def test_where_nothing_would_differ_it_says_so() -> None:
    assert tried(BLOCK_EC2).heading == "There were no findings in the last 30 days."
    arrive(1)
    shown = tried(set_to("BLOCK", PORTSCAN))
    assert shown.heading == (
        "These changes would not have affected any findings in the last 30 days (1 in total)."
    )
    assert list(shown.sentences()) == []


@pytest.mark.one_database  # texts
def test_it_says_that_what_was_ignored_is_not_there_to_be_counted() -> None:
    saved(Setting(Target("EC2", "", ""), "IGNORE"))
    assert tried(BLOCK_EC2).is_partial
    assert tried(Setting(Target("EC2", "", ""), "")).is_partial
    assert not tried(set_to("BLOCK", "Discovery:S3/TorIPCaller")).is_partial


# Large numbers


def test_20_addresses_are_named_and_the_others_counted() -> None:
    arrive(*range(1, 31))
    addresses = tried(BLOCK_EC2).addresses
    assert len(addresses.named) == 20
    assert (addresses.in_words, addresses.others) == ("30 addresses", "10 others")


@pytest.mark.parametrize(
    ("limit", "value"), [("MAX_FINDINGS", 5), ("MAX_KINDS", 1)], ids=["findings", "kinds"]
)
def test_beyond_the_limit_it_says_more_than(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    arrive(*range(1, 5))
    arrive(*range(5, 8), type=PORTSCAN)
    monkeypatch.setattr(preview, limit, value)
    addresses = tried(BLOCK_EC2).addresses
    assert not addresses.is_all
    assert addresses.in_words == f"more than {addresses.total} addresses"
    assert addresses.others == "more than 0 others"


@pytest.mark.one_database  # the number of queries
def test_the_number_of_queries_does_not_grow(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    arrive(1)
    for number in range(2, 40):
        arrive(number, type=f"NewPurpose:EC2/New{number}", severity=number % 8 + 1)
    with django_assert_max_num_queries(3):
        tried(BLOCK_EC2, *(set_to("BLOCK", f"NewPurpose:EC2/New{n}") for n in range(2, 40)))


# The URL that the page requests


@pytest.mark.one_database  # texts
def test_an_operator_is_told_in_a_fragment_of_a_page(operator_client: Client) -> None:
    arrive(1)
    answer = post(operator_client, EC2)
    assert answer.status_code == 200
    html = answer.content.decode()
    assert "1 more would have been blocked, from 1 address." in html
    assert "<code>198.51.100.1</code>" in html
    assert "<html" not in html


@pytest.mark.one_database  # the license
def test_nothing_is_set_and_a_lapsed_license_still_answers(
    operator_client: Client, expired_license: object
) -> None:
    arrive(1)
    assert "1 more would" in post(operator_client, EC2).content.decode()
    assert not ThreatPolicy.objects.exists()
    assert not PolicyChange.objects.exists()


@pytest.mark.one_database  # refused requests
@pytest.mark.parametrize("permission", ["view_threatpolicy", "view_finding"])
def test_one_permission_of_the_two_is_too_few(
    stranger: User, stranger_client: Client, permission: str
) -> None:
    stranger.user_permissions.add(Permission.objects.get(codename=permission))
    assert_problem(post(stranger_client, EC2), 403, "permission_denied")


@pytest.mark.one_database  # refused requests
def test_nobody_else_is_told_anything(client: Client) -> None:
    answer = post(client, EC2)
    assert (answer.status_code, answer.content) == (302, b"")


@pytest.mark.one_database  # refused requests
def test_a_page_of_another_site_cannot_ask(operator: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    assert_problem(post(client, EC2), 403, "csrf_failed")


@pytest.mark.one_database  # refused requests
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.usefixtures("valid_license")
def test_it_answers_post_alone(operator_client: Client, method: str) -> None:
    assert operator_client.generic(method, "/threats/preview").status_code == 405


@pytest.mark.one_database  # refused requests
@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b" ", "application/json", 400, "malformed_json"),
        (b"{", "application/json", 400, "malformed_json"),
        (b"\xff", "application/json", 400, "malformed_json"),
        (b"[" * 10_000, "application/json", 400, "malformed_json"),
        (b'{"policies": [NaN]}', "application/json", 400, "malformed_json"),
        (b"policies=1", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"--x\r\n\r\n", "multipart/form-data; boundary=x", 415, "unsupported_media_type"),
        (b"[]", "application/json", 422, "invalid_request"),
        (b"null", "application/json", 422, "invalid_request"),
        (b'{"policies": [], "x": "' + b"x" * 2**20 + b'"}', "application/json", 413, ""),
    ],
)
def test_a_body_that_put_findings_refuses_is_refused(
    operator_client: Client, body: bytes, content_type: str, status: int, code: str
) -> None:
    assert_problem(post(operator_client, body, content_type), status, code or "body_too_large")


@pytest.mark.one_database  # refused requests
def test_each_wrong_setting_is_pointed_at(operator_client: Client) -> None:
    answer = post(
        operator_client,
        {
            "policies": [
                {"service": "EC2", "action": "EXPLODE"},
                {"finding_type": "Backdoor:EC2/DenialOfService.Dns", "action": "REVOKE"},
                {"action": "BLOCK"},
            ]
        },
    )
    assert pointers(answer) == ["/policies/0/action", "/policies/1/action", "/policies/2"]
