"""Findings from Security Hub are read as GuardDuty wrote them."""

from __future__ import annotations

from typing import Any

import pytest

from findings.guardduty.parser import Entity, Kind, unwrap
from findings.tests.parsed import actor, at, finding, load, only, target

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
                f"{probe}.51_/remoteIpDetails/ipAddressV4": "203.0.113.3",
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
        actor(Kind.ACCESS_KEY, "AKIAIOSFODNN7EXAMPLE"),
        target(Kind.BUCKET, "secrets"),
        target(Kind.FUNCTION, "pay"),
    )


def test_security_hub_says_when_it_was_observed_where_guardduty_does_not() -> None:
    understood = only(load(ASFF) | {"ProductFields": None})
    assert understood.first_seen_at == at("2023-11-06 15:28:58.0")
    assert understood.addresses == ()


def test_what_somebody_sends_from_security_hub_on_purpose_is_read() -> None:
    sent = {
        "detail-type": "Security Hub Findings - Custom Action",
        "source": "aws.securityhub",
        "detail": {"actionName": "Contain", "findings": [finding()]},
    }
    assert list(unwrap(sent)) == [finding()]


KEY = "AKIAIOSFODNN7EXAMPLE"
ALICE = {"PrincipalName": "alice", "PrincipalType": "IAMUser"}


@pytest.mark.parametrize(
    ("uid", "details", "entities"),
    [
        (f"AWS::IAM::AccessKey:{KEY}", None, (actor(Kind.ACCESS_KEY, KEY),)),
        (KEY, ALICE, (actor(Kind.USER, "alice"), actor(Kind.ACCESS_KEY, KEY))),
        (
            "arn:aws:iam::123456789012:user/team/alice",
            ALICE | {"AccessKeyId": KEY},
            (actor(Kind.USER, "alice"), actor(Kind.ACCESS_KEY, KEY)),
        ),
        ("arn:aws:iam::123456789012:user/alice", ALICE, (actor(Kind.USER, "alice"),)),
        ("AWS::IAM::AccessKey:null", ALICE, (actor(Kind.USER, "alice"),)),
        ("null", {"AccessKeyId": "null", "PrincipalName": "null"}, ()),
    ],
)
def test_the_key_of_a_finding_about_a_user_is_the_actors(
    uid: str, details: Any, entities: tuple[Entity, ...]
) -> None:
    resource = {"Type": "AwsIamAccessKey", "Id": uid, "Details": {"AwsIamAccessKey": details}}
    found = load(ASFF) | {"ProductFields": {}, "Resources": [resource]}
    assert only(found).entities == entities


def test_the_key_that_an_attack_sequence_only_touches_is_not_an_actors() -> None:
    resource = {"Type": "AwsIamAccessKey", "Id": f"AWS::IAM::AccessKey:{KEY}"}
    sequence = {"Actors": [{"User": {"Name": "bob", "Type": "IAMUser"}}]}
    found = load(ASFF) | {
        "ProductFields": {},
        "Resources": [resource],
        "Detection": {"Sequence": sequence},
    }
    assert only(found).entities == (actor(Kind.USER, "bob"), target(Kind.ACCESS_KEY, KEY))


@pytest.mark.parametrize(
    ("said", "set_aside"),
    [
        ({"RecordState": "ARCHIVED"}, "The finding is archived in Security Hub."),
        ({"Workflow": {"Status": "SUPPRESSED"}}, "The finding is suppressed in Security Hub."),
        ({"WorkflowState": "SUPPRESSED"}, "The finding is suppressed in Security Hub."),
        ({"Workflow": {"Status": "RESOLVED"}, "RecordState": "ACTIVE"}, ""),
        (
            {"ProductFields": {"aws/guardduty/service/archived": "true"}},
            "The finding is archived in GuardDuty.",
        ),
    ],
)
def test_a_finding_that_was_set_aside_says_where(said: Any, set_aside: str) -> None:
    assert only(load(ASFF) | said).set_aside == set_aside


def test_an_instance_in_security_hub_can_have_acted_and_has_its_own_addresses() -> None:
    role = {"aws/guardduty/service/resourceRole": "ACTOR"}
    understood = only(load(ASFF) | {"ProductFields": role})
    assert understood.acting_instances == ("i-1234567890",)
    assert understood.entities == (actor(Kind.INSTANCE, "i-1234567890"),)
    assert understood.own_addresses == {"1.2.2.2", "127.0.0.1"}
