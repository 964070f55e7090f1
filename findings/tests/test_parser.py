"""Single values of a finding are read in each form that occurs, or left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from findings import catalogue
from findings.guardduty import parser
from findings.guardduty.parser import Address
from findings.tests.parsed import acting, finding, only

NOON = datetime(2025, 2, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "instant"),
    [
        ("2025-02-25T12:00:00Z", NOON),
        ("2025-02-25t12:00:00z", NOON),
        ("2025-02-25T12:00Z", NOON),
        ("2025-02-25 12:00:00", NOON),
        ("2025-02-25 12:00:00.000000000", NOON),
        ("2025-02-25T12:00:00.123456789Z", NOON + timedelta(microseconds=123456)),
        ("2025-02-25T14:00:00+02:00", NOON),
        ("2025-02-25T07:00:00-0500", NOON),
        ("2025-02-25 14:00:00 +0200", NOON),
        (NOON.timestamp(), NOON),
        (int(NOON.timestamp()), NOON),
        (int(NOON.timestamp()) * 1000 + 5, NOON + timedelta(milliseconds=5)),
        (str(int(NOON.timestamp())), NOON),
        (f"{NOON.timestamp()}25", NOON + timedelta(milliseconds=25)),
        (str(int(NOON.timestamp()) * 1000), NOON),
        ("", None),
        ("yesterday", None),
        ("2025", None),
        ("20250225", None),
        ("2025-02-25", None),
        ("2025-02-30T12:00:00Z", None),
        ("2025-02-25T12:00:00+99:99", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("\u0662\u0660\u0662\u0665-02-25T12:00:00Z", None),
        (-1, None),
        (10**14, None),
        (10**5000, None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        (None, None),
        ([], None),
    ],
    ids=lambda value: "number" if isinstance(value, int) else repr(value)[:40],
)
def test_times(said: Any, instant: datetime | None) -> None:
    service = {"eventFirstSeen": said, "EventLastSeen": said}
    understood = only(finding(service=service))
    assert (understood.first_seen_at, understood.last_seen_at) == (instant, instant)
    if understood.first_seen_at:
        assert understood.first_seen_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("said", "severity"),
    [
        (0, 0.0),
        (10, 10.0),
        (8.9, 8.9),
        ("8", 8.0),
        (" 5.5 ", 5.5),
        (10.1, None),
        (-0.1, None),
        ("11", None),
        ("HIGH", None),
        ("1_0", None),
        ("nan", None),
        (float("nan"), None),
        (True, None),
        (None, None),
        ({}, None),
    ],
)
def test_severity(said: Any, severity: float | None) -> None:
    understood = only(finding(severity=said))
    assert understood.severity == severity
    assert severity is None or isinstance(understood.severity, float)


def test_a_severity_of_any_size_is_no_severity() -> None:
    assert only(finding(severity=10**5000)).severity is None


@pytest.mark.parametrize(
    ("said", "count"),
    [
        (1, 1),
        (7, 7),
        ("7", 7),
        (7.0, 7),
        (7.5, 1),
        (0, 1),
        (-3, 1),
        ("many", 1),
        (float("nan"), 1),
        (float("inf"), 1),
        (2**40, 2**31 - 1),
        (True, 1),
        (None, 1),
    ],
)
def test_count(said: Any, count: int) -> None:
    assert only(finding(service={"count": said})).count == count


@pytest.mark.parametrize(
    ("said", "account_id"),
    [
        ("123456789012", "123456789012"),
        ("XXXXXXXXXXXX", "XXXXXXXXXXXX"),
        (123456789012, "123456789012"),
        (57372331974, ""),  # ambiguous: it may have been 057372331974
        (10**5000, ""),
        (None, ""),
        ({}, ""),
    ],
    ids=["plain", "masked", "number", "short", "huge", "null", "object"],
)
def test_account_ids(said: Any, account_id: str) -> None:
    assert only(finding(accountId=said)).account_id == account_id


@pytest.mark.parametrize(
    ("said", "addresses"),
    [
        ("198.51.100.7", ["198.51.100.7"]),
        (" 198.51.100.7 ", ["198.51.100.7"]),
        ("2001:0DB8:0000:0000:0000:0000:0000:0001", ["2001:db8::1"]),
        ("::ffff:198.51.100.7", ["198.51.100.7"]),
        ("cloudtrail.amazonaws.com", []),
        ("GeneratedFindingIpAddress", []),
        ("198.51.100.007", []),
        ("198.51.100.0/24", []),
        ("198.51.100.7:443", []),
        ("fe80::1%eth0", []),
        ("", []),
        (3325256711, []),
        (None, []),
        (["198.51.100.7"], []),
    ],
    ids=str,
)
def test_an_address_is_what_python_takes_for_one(said: Any, addresses: list[str]) -> None:
    action = {"networkConnectionAction": {"remoteIpDetails": {"ipAddressV4": said}}}
    understood = only(finding(service={"action": action}))
    assert [address.address for address in understood.addresses] == addresses
    assert [entity.name for entity in understood.entities] == addresses


def test_an_address_is_told_once_and_with_what_is_said_of_it_first() -> None:
    probes = [
        {"remoteIpDetails": {"ipAddressV4": "203.0.113.2", "country": {"countryCode": "FR"}}},
        {"remoteIpDetails": {"ipAddressV4": "203.0.113.1", "ipAddressV6": "2001:db8::1"}},
        {"remoteIpDetails": {"ipAddressV4": "203.0.113.2"}},
        {"remoteIpDetails": None},
        None,
    ]
    action = {"actionType": "PORT_PROBE", "portProbeAction": {"portProbeDetails": probes}}
    understood = only(finding(service={"action": action}))
    assert understood.addresses == (
        Address("203.0.113.2", country="FR"),
        Address("203.0.113.1"),
        Address("2001:db8::1"),
    )
    assert understood.entities == acting(*understood.addresses)


@pytest.mark.parametrize(
    ("call", "addresses"),
    [
        ({"sourceIPs": ["203.0.113.9"]}, ["203.0.113.9"]),
        ({"SourceIps": ["203.0.113.9"]}, ["203.0.113.9"]),
        ({"sourceIPs": ["203.0.113.9", "10.0.0.1"]}, []),  # one of them is a proxy
        ({"sourceIPs": ["10.0.0.1"], "remoteIpDetails": {"ipAddressV4": "1.1.1.1"}}, ["1.1.1.1"]),
        ({"sourceIPs": "203.0.113.9"}, []),
    ],
)
def test_a_proxy_is_not_taken_for_the_caller(call: Any, addresses: list[str]) -> None:
    understood = only(finding(service={"action": {"kubernetesApiCallAction": call}}))
    assert [address.address for address in understood.addresses] == addresses


def test_text_is_cut_and_holds_what_postgresql_takes() -> None:
    hostile = "\0 <script>\0\ud800\U0001f600 " + "x" * 10_000
    understood = only(finding(title=hostile, description=hostile, type="A:B/" + "c" * 200))
    assert understood.title == ("<script>\ufffd\U0001f600 " + "x" * 10_000)[:256]
    assert len(understood.description) == parser.DESCRIPTION_MAX_LENGTH
    assert len(understood.finding_type) == parser.FINDING_TYPE_MAX_LENGTH


def test_a_type_is_cut_where_a_policy_ends() -> None:
    assert parser.FINDING_TYPE_MAX_LENGTH == catalogue.FINDING_TYPE_MAX_LENGTH


@pytest.mark.parametrize(
    "finding_type",
    [
        "UnauthorizedAccess:EC2 SSHBruteForce",
        "Backdoor:EC2/C&CActivity.B!DNS",
        "Persistence:Kubernetes/AnomalousBehavior.WorkloadDeployed!ContainerWithSensitiveMount",
        "Backdoor:EC2/XORDDOS",
        "New:Thing/NeverHeardOf",
    ],
)
def test_a_type_is_kept_as_it_is(finding_type: str) -> None:
    assert only(finding(type=finding_type)).finding_type == finding_type


@pytest.mark.parametrize(
    ("said", "is_sample"),
    [
        ({"additionalInfo": {"sample": True}}, True),
        ({"additionalInfo": {"sample": "true"}}, True),
        ({"additionalInfo": {"value": '{"sample":true}'}}, True),
        ({"AdditionalInfo": {"Value": '{"sample":"True"}'}}, True),
        ({"additionalInfo": {"sample": "false", "value": '{"sample":false}'}}, False),
        ({"additionalInfo": {"value": '{"sample":true'}}, False),
        ({"additionalInfo": {"value": "[" * 100_000}}, False),
        ({"additionalInfo": {"sample": 1}}, False),
        ({"additionalInfo": None}, False),
        (None, False),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_samples(said: Any, is_sample: bool) -> None:
    assert only(finding(service=said)).is_sample is is_sample


@pytest.mark.parametrize(
    "service",
    [
        {"action": {"awsApiCallAction": {"userAgent": "curl/8"}}},
        {"action": {"kubernetesApiCallAction": {"userAgent": "curl/8"}}},
        {"additionalInfo": {"userAgent": {"fullUserAgent": "curl/8"}}},
        {"additionalInfo": {"value": '{"userAgent": {"fullUserAgent": "curl/8"}}'}},
        {
            "detection": {
                "sequence": {"signals": [{"activities": [{"api": {"userAgent": "curl/8"}}]}]}
            }
        },
    ],
)
def test_the_user_agent(service: Any) -> None:
    assert only(finding(service=service)).user_agent == "curl/8"


@pytest.mark.parametrize("word", ["null", " None "])
def test_a_word_for_no_text_is_no_name(word: str) -> None:
    understood = only(
        finding(resource={"accessKeyDetails": {"accessKeyId": word, "userName": word}})
    )
    assert (understood.entities, understood.principal) == ((), "")
