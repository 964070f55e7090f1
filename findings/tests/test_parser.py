"""The parser reads findings in any envelope and spelling, or says why it cannot."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from findings import catalogue
from findings.guardduty import parser
from findings.guardduty.envelopes import MAX_DEPTH
from findings.guardduty.parser import Address, Entity, Kind, ParsedFinding, Unparsed, parse, unwrap
from findings.tests.parsed import acting, actor, at, finding, load, only, pascal, target

# Envelopes

BARE = finding(title="Probed")
ENVELOPE = {
    "version": "0",
    "id": "28e463cd-ca3b-587f-045e-49903af281e5",
    "detail-type": "GuardDuty Finding",
    "source": "aws.guardduty",
    "detail": BARE,
}
SNS = {"Type": "Notification", "MessageId": "2", "Message": json.dumps(ENVELOPE)}


@pytest.mark.parametrize(
    ("document", "count"),
    [
        (BARE, 1),
        (pascal(BARE), 1),
        ({**BARE, "message": "no wrapping", "findings": [], "detail": {}}, 1),
        (ENVELOPE, 1),
        ({**ENVELOPE, "detail": pascal(BARE)}, 1),
        ({"Detail-Type": "GuardDuty Finding", "Detail": BARE}, 1),
        (
            {"detail-type": "Security Hub Findings - Imported", "detail": {"findings": [BARE]}},
            1,
        ),
        ({"DetailType": "GuardDuty Finding", "Detail": pascal(BARE)}, 1),
        ({**ENVELOPE, "detail": json.dumps(BARE)}, 1),
        ({"source": "aws.guardduty", "detail": BARE}, 1),
        ({"Findings": [BARE, pascal(BARE)]}, 2),
        ({"findings": [BARE, BARE, BARE]}, 3),
        ({"Findings": []}, 0),
        ({"findings": []}, 0),
        ({"Findings": None}, 0),
        ([], 0),
        ([BARE, ENVELOPE, {"Findings": [BARE]}], 3),
        ([[BARE]], 1),
        (json.dumps(BARE), 1),
        ("\ufeff" + json.dumps([BARE, BARE]), 2),
        (SNS, 1),
        ({**SNS, "Message": json.dumps(BARE)}, 1),
        ({"Records": [{"EventSource": "aws:sns", "Sns": SNS}, {"Sns": SNS}]}, 2),
        ({"Records": [{"eventSource": "aws:sqs", "body": json.dumps(ENVELOPE)}]}, 1),
        ({"Records": [{"eventSource": "aws:sqs", "body": json.dumps(SNS)}]}, 1),
        ({"Messages": [{"MessageId": "3", "Body": json.dumps(ENVELOPE)}]}, 1),
        # Events that contain no finding.
        ({**ENVELOPE, "detail": {}}, 0),
        ({**ENVELOPE, "detail": None}, 0),
        ({**ENVELOPE, "detail": "", "Detail": None}, 0),
        ({"detail-type": "GuardDuty Finding", "source": "aws.guardduty"}, 0),
        ({**ENVELOPE, "detail-type": "GuardDuty Malware Protection Object Scan Result"}, 0),
        ({**ENVELOPE, "detail-type": "AWS API Call via CloudTrail"}, 0),
        ({"Detail-Type": "AWS API Call via CloudTrail", "Detail": BARE}, 0),
        ({"DetailType": "AWS API Call via CloudTrail", "Detail": BARE}, 0),
        ({"Type": "SubscriptionConfirmation", "Message": "You have chosen to subscribe"}, 0),
    ],
    ids=str,
)
def test_findings_are_taken_out_of_their_wrapping(document: Any, count: int) -> None:
    found = list(unwrap(document))
    assert [only(one) for one in found] == [only(BARE)] * count


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (None, "It is not an object."),
        (True, "It is not an object."),
        (9.5, "It is not an object."),
        ("", "It is text, but not JSON."),
        ("finding", "It is text, but not JSON."),
        ("[" * 100_000, "It is text, but not JSON."),
        ("9" * 5_000, "It is text, but not JSON."),  # Python does not convert so many digits
        ({"Records": [{"body": "not JSON"}]}, "It is text, but not JSON."),
        ({"Type": ["Notification"], "Message": "not JSON"}, "It is text, but not JSON."),
        ({**ENVELOPE, "detail": 7}, "It is not an object."),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_wraps_no_finding_is_not_understood(document: Any, reason: str) -> None:
    assert list(unwrap(document)) == [Unparsed(reason)]


def nested(levels: int) -> Any:
    document: Any = BARE
    for _ in range(levels):
        document = [document]
    return document


def test_what_is_nested_too_deep_is_not_understood() -> None:
    assert only(nested(MAX_DEPTH)) == only(BARE)
    for levels in (MAX_DEPTH + 1, 100_000):
        (refused,) = unwrap(nested(levels))
        assert refused == Unparsed("It is nested more than 8 deep.")


def test_text_within_text_is_nested_too() -> None:
    document = json.dumps(BARE)
    for _ in range(MAX_DEPTH + 1):
        document = json.dumps(document)
    assert list(unwrap(document)) == [Unparsed("It is nested more than 8 deep.")]


def test_one_bad_finding_takes_no_other_with_it() -> None:
    found = list(unwrap({"Findings": [BARE, None, "?", ENVELOPE, {}]}))
    kinds = [type(parse(one)) if isinstance(one, Mapping) else type(one) for one in found]
    assert kinds == [ParsedFinding, Unparsed, Unparsed, ParsedFinding, Unparsed]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({}, "It has no id and no type."),
        ({"id": "1"}, "It has no type."),
        ({"type": "Recon:EC2/Portscan"}, "It has no id."),
        ({"id": " ", "type": "\0"}, "It has no id and no type."),
        ({"id": 1, "type": ["Recon:EC2/Portscan"]}, "It has no id and no type."),
        (
            {"Id": "1", "ProductArn": "arn:aws:securityhub:us-east-1::product/aws/inspector"},
            "It is a finding of another product in Security Hub.",
        ),
        ([], "It is not an object."),
    ],
)
def test_a_finding_without_id_or_type_is_not_understood(document: Any, reason: str) -> None:
    assert parse(document) == Unparsed(reason)


# Security Hub

ASFF = "asff-ttps-initial-access-unauthorizedaccess-ec2-sshbruteforce-defectdojo.json"


@pytest.mark.parametrize(
    ("written", "finding_type"),
    [
        (
            "TTPs/Command and Control/Backdoor:EC2-C&CActivity.B!DNS",
            "Backdoor:EC2/C&CActivity.B!DNS",
        ),
        ("TTPs/Discovery:S3-BucketEnumeration.Unusual", "Discovery:S3/BucketEnumeration.Unusual"),
        ("TTPs/PenTest:IAMUser/KaliLinux", "PenTest:IAMUser/KaliLinux"),
        ("TTPs/AttackSequence:S3/CompromisedData", "AttackSequence:S3/CompromisedData"),
        (
            "TTPs/Initial Access/IAMUser-AnomalousBehavior",
            "InitialAccess:IAMUser/AnomalousBehavior",
        ),
        ("TTPs/Discovery/RDS-TorIPCaller", "Discovery:RDS/TorIPCaller"),
        ("TTPs/DefenseEvasion/EC2:Unusual-DoH-Activity", "DefenseEvasion:EC2/UnusualDoHActivity"),
        (
            "TTPs/AnomalousBehavior/Execution:Kubernetes-ExecInPod",
            "Execution:Kubernetes/AnomalousBehavior.ExecInPod",
        ),
        ("Unheard of", "Unheard of"),
    ],
)
def test_security_hub_writes_types_in_its_own_way(written: str, finding_type: str) -> None:
    assert only(load(ASFF) | {"Types": [written]}).finding_type == finding_type


@pytest.mark.parametrize(
    ("severity", "number"),
    [
        ({"Product": 8, "Normalized": 40}, 8.0),
        ({"Normalized": 85}, 8.5),
        ({"Normalized": 101}, None),
        ({"Normalized": True}, None),
        ({"Label": "HIGH"}, None),
        (None, None),
    ],
)
def test_security_hub_keeps_the_severity(severity: Any, number: float | None) -> None:
    assert only(load(ASFF) | {"Severity": severity}).severity == number


def test_security_hub_flattens_probes_and_names_many_resources() -> None:
    probe = "aws/guardduty/service/action/portProbeAction/portProbeDetails"
    understood = only(
        load(ASFF)
        | {
            "ProductFields": {
                f"{probe}.1_/remoteIpDetails/ipAddressV4": "203.0.113.2",
                f"{probe}.0_/remoteIpDetails/ipAddressV4": "203.0.113.1",
                f"{probe}.999_/remoteIpDetails/ipAddressV4": "203.0.113.3",
                "aws/guardduty/service/evidence": "a text, and an array",
                "aws/guardduty/service/evidence.0_/name": "list",
                "aws/guardduty/service/count": "3",
                "aws/guardduty/service/count/of": "a text, and a folder",
            },
            "Resources": [
                {
                    "Type": "AwsIamAccessKey",
                    "Id": "AWS::IAM::AccessKey:AKIAIOSFODNN7EXAMPLE",
                    "Details": {
                        "AwsIamAccessKey": {"PrincipalName": "alice", "PrincipalType": "IAMUser"}
                    },
                },
                {"Type": "AwsS3Bucket", "Id": "arn:aws:s3:::secrets"},
                {"Type": "AwsLambdaFunction", "Id": "arn:aws:lambda:eu-west-1:1:function:pay"},
                {"Type": "Other", "Id": "unheard of"},
                None,
            ],
        }
    )
    assert [one.address for one in understood.addresses] == ["203.0.113.1", "203.0.113.2"]
    assert understood.count == 3
    assert (understood.principal, understood.principal_type) == ("alice", "IAMUser")
    assert understood.entities[2:] == (
        actor(Kind.USER, "alice"),
        target(Kind.ACCESS_KEY, "AKIAIOSFODNN7EXAMPLE"),
        target(Kind.BUCKET, "secrets"),
        target(Kind.FUNCTION, "pay"),
    )


def test_security_hub_says_when_it_was_observed_where_guardduty_does_not() -> None:
    understood = only(load(ASFF) | {"ProductFields": None})
    assert understood.first_seen_at == at("2023-11-06 15:28:58.0")
    assert understood.addresses == ()


# Single values

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


# Actors and affected resources


@pytest.mark.parametrize(
    ("details", "principal", "entities"),
    [
        (
            {"userName": "bob", "userType": "IAMUser", "accessKeyId": "AKIA1"},
            ("bob", "IAMUser"),
            (actor(Kind.USER, "bob"), actor(Kind.ACCESS_KEY, "AKIA1")),
        ),
        (
            {"userName": "deploy", "userType": "AssumedRole", "accessKeyId": "ASIA1"},
            ("deploy", "AssumedRole"),
            (actor(Kind.ROLE, "deploy"), actor(Kind.ACCESS_KEY, "ASIA1")),
        ),
        ({"userType": "Root"}, ("Root", "Root"), (actor(Kind.USER, "Root"),)),
        (
            {"principalId": "AROA1:session", "userType": "AssumedRole"},
            ("AROA1:session", "AssumedRole"),
            (),
        ),
        ({"userName": "s3.amazonaws.com", "userType": "AWSService"}, None, ()),
        ({"userName": "bob", "userType": None}, ("bob", ""), ()),
        ({"userName": ["bob"], "userType": 5, "accessKeyId": {}}, ("", ""), ()),
        (None, ("", ""), ()),
    ],
)
def test_the_principal(details: Any, principal: Any, entities: tuple[Entity, ...]) -> None:
    understood = only(finding(resource={"accessKeyDetails": details}))
    expected = principal or ("s3.amazonaws.com", "AWSService")
    assert (understood.principal, understood.principal_type) == expected
    assert understood.entities == entities


def test_a_clusters_user_is_a_principal_but_no_user_of_iam() -> None:
    resource = {"kubernetesDetails": {"kubernetesUserDetails": {"username": "system:anonymous"}}}
    understood = only(finding(resource=resource))
    assert understood.principal == "system:anonymous"
    assert understood.entities == ()


def test_several_of_each_resource() -> None:
    resource = {
        "instanceDetails": {
            "instanceId": "i-1",
            "networkInterfaces": [{"publicIp": "198.51.100.1"}, {"privateIpAddress": "10.0.0.1"}],
        },
        "s3BucketDetails": [
            {"name": "one"},
            {"arn": "arn:aws:s3:::two/an/object"},
            {"name": "one", "arn": "arn:aws:s3:::one"},
            None,
            {"name": None},
        ],
        "eksClusterDetails": {"arn": "arn:aws:eks:eu-west-1:1:cluster/blue"},
        "lambdaDetails": {"functionArn": "arn:aws:lambda:eu-west-1:1:function:pay:3"},
        "rdsDbInstanceDetails": {"dbInstanceArn": "arn:aws:rds:eu-west-1:1:db:orders"},
    }
    assert only(finding(resource=resource)).entities == (
        target(Kind.INSTANCE, "i-1"),
        target(Kind.BUCKET, "one"),
        target(Kind.BUCKET, "two"),
        target(Kind.CLUSTER, "blue"),
        target(Kind.FUNCTION, "pay"),
        target(Kind.DATABASE, "orders"),
    )


SEQUENCE = {
    "actors": [
        {
            "id": "1",
            "user": {
                "name": "bob",
                "uid": "AIDA1",
                "type": "IAMUser",
                "credentialUid": "AKIA1",
            },
        },
        {
            "id": "2",
            "user": {"name": "deploy", "uid": "AROA1", "type": "AssumedRole"},
            "session": {"issuer": "arn:aws:iam::123456789012:role/path/deploy"},
        },
        {"id": "3", "process": {"name": "miner"}},
        None,
    ],
    "resources": [
        {
            "uid": "arn:aws:ec2:eu-west-1:1:instance/i-1",
            "name": "web",
            "resourceType": "EC2_INSTANCE",
        },
        {"uid": "AKIA1", "resourceType": "ACCESS_KEY"},
        {"uid": "AKIA2", "resourceType": "ACCESS_KEY"},
        {"uid": "u-1", "name": "blue", "resourceType": "EKS_CLUSTER"},
        {"uid": "arn:aws:s3:::one", "name": "one", "resourceType": "S3_BUCKET"},
        {"uid": "arn:aws:ecs:eu-west-1:1:task/blue/7", "resourceType": "ECS_TASK"},
        {"uid": 10**5000, "name": "green", "resourceType": "EKS_CLUSTER"},
        {"uid": "vpc-1", "resourceType": "EC2_VPC"},
    ],
    "endpoints": [
        {
            "id": "1",
            "ip": "203.0.113.5",
            "location": {"city": "Lyon", "country": "France"},
            "autonomousSystem": {"name": "Example AS", "number": 64500},
        },
        {"id": "2", "ip": "2001:db8::5"},
        {"id": "3", "ip": "example.com", "domain": "example.com"},
        {"id": "4", "ip": "203.0.113.5"},
    ],
}


@pytest.mark.parametrize("spell", [lambda value: value, pascal], ids=["camel", "pascal"])
def test_an_attack_sequence_names_many_of_each(spell: Any) -> None:
    understood = only(spell(finding(service={"detection": {"sequence": SEQUENCE}})))
    assert understood.addresses == (
        Address("203.0.113.5", country="France", city="Lyon", organization="Example AS"),
        Address("2001:db8::5"),
    )
    assert understood.entities == (
        *acting(*understood.addresses),
        actor(Kind.USER, "bob"),
        actor(Kind.ACCESS_KEY, "AKIA1"),
        actor(Kind.ROLE, "deploy"),
        target(Kind.INSTANCE, "i-1"),
        target(Kind.ACCESS_KEY, "AKIA2"),
        target(Kind.CLUSTER, "blue"),
        target(Kind.BUCKET, "one"),
        target(Kind.TASK, "arn:aws:ecs:eu-west-1:1:task/blue/7"),
        target(Kind.CLUSTER, "green"),
    )
    assert (understood.principal, understood.principal_type) == ("bob", "IAMUser")


def test_four_hundred_endpoints_are_four_hundred_addresses() -> None:
    endpoints = [{"ip": str(ipaddress.ip_address(2**31 + number))} for number in range(400)]
    service = {"detection": {"sequence": {"endpoints": endpoints}}}
    assert len(only(finding(service=service)).addresses) == 400


def test_nothing_is_guessed() -> None:
    assert only(BARE | {"title": None, "createdAt": "2025-02-25T12:00:00Z"}) == ParsedFinding(
        account_id="",
        region="",
        finding_id="1",
        finding_type="Recon:EC2/Portscan",
        severity=None,
        title="",
        description="",
        count=1,
        first_seen_at=None,
        last_seen_at=None,
        action_type="",
        addresses=(),
        own_addresses=frozenset(),
        resource_acted=False,
        entities=(),
        user_agent="",
        principal="",
        principal_type="",
        is_sample=False,
    )


def test_the_accounts_own_addresses_are_told_apart() -> None:
    interface = {
        "publicIp": "203.0.113.7",
        "privateIpAddress": "10.0.0.1",
        "privateIpAddresses": [{"privateIpAddress": "10.0.0.2"}, None],
        "ipv6Addresses": ["2001:DB8::7", 7],
    }
    action = {
        "portProbeAction": {
            "portProbeDetails": [
                {
                    "localIpDetails": {"ipAddressV4": "10.0.0.3"},
                    "remoteIpDetails": {"ipAddressV4": "198.51.100.1"},
                }
            ]
        },
        "networkConnectionAction": {"localIpDetails": {"ipAddressV6": "2001:db8::8"}},
    }
    for spell in (dict, pascal):
        said = only(
            spell(
                finding(
                    resource={"instanceDetails": {"networkInterfaces": [interface]}},
                    service={"action": action, "resourceRole": "ACTOR"},
                )
            )
        )
        assert said.own_addresses == {
            "203.0.113.7", "10.0.0.1", "10.0.0.2", "2001:db8::7", "10.0.0.3", "2001:db8::8",
        }  # fmt: skip
        assert said.resource_acted


@pytest.mark.parametrize("word", ["null", " None "])
def test_a_word_for_no_text_is_no_name(word: str) -> None:
    understood = only(
        finding(resource={"accessKeyDetails": {"accessKeyId": word, "userName": word}})
    )
    assert (understood.entities, understood.principal) == ((), "")


def test_what_somebody_sends_from_security_hub_on_purpose_is_read() -> None:
    sent = {
        "detail-type": "Security Hub Findings - Custom Action",
        "source": "aws.securityhub",
        "detail": {"actionName": "Contain", "findings": [finding()]},
    }
    assert list(unwrap(sent)) == [finding()]


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_names_are_taken_out_of_the_arns_of_every_partition(partition: str) -> None:
    resource = {"s3BucketDetails": [{"arn": f"arn:{partition}:s3:::logs"}]}
    assert only(finding(resource=resource)).entities == (Entity(Kind.BUCKET, "logs", False),)
