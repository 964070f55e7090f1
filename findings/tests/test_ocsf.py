"""Findings in OCSF, from Security Hub and Security Lake, are read as GuardDuty wrote them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from findings.guardduty.parser import Address, Connection, Kind, ParsedFinding, Unparsed, parse
from findings.guardduty.parser import unwrap as unwrapped
from findings.tests.parsed import actor, at, only, target
from findings.tests.test_parser_anything import anything, assert_answered, shaped

some = settings(max_examples=60, deadline=None)
ARN = "arn:aws:guardduty:eu-west-1:111122223333:detector/d0/finding/5f3a"


def ocsf(*evidences: Any, **said: Any) -> dict[str, Any]:
    return {
        "class_uid": 2004,
        "class_name": "Detection Finding",
        "message": "not an envelope",
        "cloud": {
            "account": {"uid": "111122223333"},
            "region": "eu-west-1",
            "cloud_partition": "aws",
        },
        "count": 12,
        "finding_info": {
            "uid": ARN,
            "title": "Passwords are tried",
            "desc": "An instance is under attack.",
            "types": ["UnauthorizedAccess:EC2/SSHBruteForce"],
            "first_seen_time": 1764061200000,
            "last_seen_time_dt": "2025-11-25T10:00:00.000Z",
        },
        "metadata": {"product": {"uid": "arn:aws:securityhub:eu-west-1::productv2/aws/guardduty"}},
        "severity_id": 4,
        "severity": "High",
        "status": "New",
        "evidences": list(evidences),
    } | said


SSH = {
    "connection_info": {"direction": "Inbound", "protocol_name": "tcp"},
    "src_endpoint": {
        "ip": "198.51.100.7",
        "port": 40000,
        "location": {"city": "Lyon", "country": "France"},
        "autonomous_system": {"name": "Example AS", "number": 64500},
    },
    "dst_endpoint": {"ip": "10.0.0.1", "port": 22, "svc_name": "SSH"},
    "data": {"resource_role": "TARGET"},
}
INSTANCE = {"type": "AWS::EC2::Instance", "uid": "arn:aws:ec2:eu-west-1:1:instance/i-1"}


def test_security_hubs_event_is_read_as_guardduty_wrote_it() -> None:
    event = {
        "detail-type": "Findings Imported V2",
        "source": "aws.securityhub",
        "detail": {"findings": [ocsf(SSH, resources=[INSTANCE])]},
    }
    understood = only(event)
    assert understood.finding_id == "5f3a"  # as in GuardDuty's own format
    assert understood.finding_type == "UnauthorizedAccess:EC2/SSHBruteForce"
    assert (understood.account_id, understood.region) == ("111122223333", "eu-west-1")
    assert (understood.severity, understood.count) == (7.0, 12)
    assert (understood.title, understood.description) == (
        "Passwords are tried",
        "An instance is under attack.",
    )
    assert understood.first_seen_at == at("2025-11-25 09:00:00.0")
    assert understood.last_seen_at == at("2025-11-25 10:00:00.0")
    assert understood.action_type == "NETWORK_CONNECTION"
    assert understood.addresses == (Address("198.51.100.7", "France", "Lyon", "Example AS"),)
    assert understood.connections == (
        Connection("INBOUND", "TCP", "10.0.0.1", 22, "SSH", "198.51.100.7", 40000),
    )
    assert understood.entities == (
        actor(Kind.ADDRESS, "198.51.100.7"),
        target(Kind.INSTANCE, "i-1"),
    )
    assert understood.set_aside == ""


def test_a_users_key_is_the_actors_and_an_api_call_names_its_caller() -> None:
    call = {
        "api": {"operation": "DeleteTrail", "service": {"name": "cloudtrail.amazonaws.com"}},
        "src_endpoint": {"ip": "203.0.113.9"},
        "data": {"affected_resource": {"AWS::CloudTrail::Trail": "main"}},
    }
    key = {
        "type": "AWS::IAM::AccessKey",
        "uid": "AKIAIOSFODNN7EXAMPLE",
        "data": {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "principal_id": "AIDA1",
                 "user_name": "alice", "user_type": "IAMUser"},
    }  # fmt: skip
    in_security_lake = key | {"data": json.dumps(key["data"])}
    by_user = {"type": "AwsIamAccessKey", "uid": "AKIAIOSFODNN7EXAMPLE", "user": {"name": "alice"}}
    for resource in (key, in_security_lake):
        understood = only(ocsf(call, resources=[resource]))
        assert understood.action_type == "AWS_API_CALL"
        assert (understood.principal, understood.principal_type) == ("alice", "IAMUser")
        assert understood.entities == (
            actor(Kind.ADDRESS, "203.0.113.9"),
            actor(Kind.USER, "alice"),
            actor(Kind.ACCESS_KEY, "AKIAIOSFODNN7EXAMPLE"),
        )
    assert only(ocsf(resources=[by_user])).entities == (
        actor(Kind.ACCESS_KEY, "AKIAIOSFODNN7EXAMPLE"),
    )


def test_an_instance_that_asks_for_a_domain_or_connects_to_the_outside_acted() -> None:
    asked = {"query": {"hostname": "pool.example.com"}, "data": {"resource_role": "ACTOR"}}
    dns = only(ocsf(asked, resources=[INSTANCE]))
    assert dns.domains == ("pool.example.com",)
    assert (dns.resource_acted, dns.acting_instances) == (True, ("i-1",))
    out = {
        "connection_info": {"direction_id": 2},
        "src_endpoint": {"ip": "10.0.0.1", "port": 40000},
        "dst_endpoint": {"ip": "203.0.113.5", "port": 4444},
    }
    calls_home = only(ocsf(out, resources=[INSTANCE]))
    assert [one.address for one in calls_home.addresses] == ["203.0.113.5"]
    assert calls_home.acting_instances == ("i-1",)


@pytest.mark.parametrize(
    ("said", "set_aside"),
    [
        ({"status": "Suppressed"}, "The finding is suppressed in Security Hub."),
        ({"status": "Archived"}, "The finding is archived in Security Hub."),
        ({"unmapped": {"RecordState": "ARCHIVED"}}, "The finding is archived in Security Hub."),
        ({"status": "Resolved"}, ""),
    ],
)
def test_a_finding_that_was_set_aside_says_so(said: Any, set_aside: str) -> None:
    assert only(ocsf(**said)).set_aside == set_aside


def test_security_lake_keeps_the_types_and_fields_of_security_hub() -> None:
    info = ocsf()["finding_info"] | {"types": ["TTPs/Discovery/Recon:EC2-Portscan"]}
    unmapped = {"ProductFields.aws/guardduty/service/count": "7"}
    understood = only(ocsf(finding_info=info, unmapped=unmapped))
    assert (understood.finding_type, understood.count) == ("Recon:EC2/Portscan", 7)


def test_an_attack_sequence_keeps_its_type() -> None:
    info = ocsf()["finding_info"] | {"types": ["Threats", "AttackSequence:S3/CompromisedData"]}
    assert only(ocsf(finding_info=info)).finding_type == "AttackSequence:S3/CompromisedData"


@pytest.mark.parametrize(
    "product",
    [
        {"name": "Inspector"},
        {"name": "Inspector for GuardDuty"},
        # An attacker who can write to Security Hub chooses these, and could so have others blocked.
        {"uid": "arn:aws:securityhub:eu-west-1:111122223333:product/111122223333/guardduty"},
        {"uid": "arn:aws:securityhub:eu-west-1::productv2/other/one", "name": "GuardDuty"},
    ],
)
def test_a_finding_of_another_product_is_told_as_such(product: dict[str, str]) -> None:
    (found,) = unwrapped({"findings": [ocsf(metadata={"product": product})]})
    assert not isinstance(found, Unparsed)
    assert parse(found) == Unparsed("It is a finding of another product in OCSF.")


_endpoint = {"ip": None, "port": None, "domain": None, "location": {"city": None}}
_process = {
    "name": None,
    "pid": None,
    "file": {"path": None, "hashes": [{"algorithm": None, "value": None}]},
    "user": {"name": None},
    "parent_process": {"name": None, "file": None},
}
_attacks = [{"tactic": {"name": None}, "technique": {"uid": None, "name": None}}]
SHAPE: dict[str, Any] = {
    "cloud": {"account": {"uid": None}, "region": None},
    "count": None,
    "severity_id": None,
    "severity": None,
    "status": None,
    "unmapped": {"ProductFields.aws/guardduty/service/count": None, "RecordState": None},
    "metadata": {"product": {"uid": None, "name": None}},
    "malware": [{"name": None, "files": [{"path": None}]}],
    "evidences": [
        {
            "api": {"operation": None, "service": {"name": None}, "response": {"error": None}},
            "src_endpoint": _endpoint,
            "dst_endpoint": _endpoint,
            "connection_info": {"direction": None, "direction_id": None, "protocol_name": None},
            "query": {"hostname": None},
            "process": _process,
            "actor": {"user": {"name": None, "type": None, "credential_uid": None}},
            "data": {"resource_role": None, "affected_resource": {"AWS::S3::Bucket": None}},
        }
    ],
    "resources": [
        {"type": None, "uid": None, "name": None, "user": {"name": None},
         "data": {"access_key_id": None, "user_name": None, "network_interfaces": [None]}}
    ],
}  # fmt: skip
INFO: dict[str, Any] = {
    "uid": None,
    "uid_alt": None,
    "types": [None],
    "title": None,
    "first_seen_time": None,
    "attacks": _attacks,
    "related_events": [{"uid": None, "type": None, "attacks": _attacks, "count": None}],
}


@some
@given(said=shaped(SHAPE), info=shaped(INFO), others=st.dictionaries(st.text(), anything))
def test_any_finding_of_ocsf_is_answered(said: Any, info: Any, others: Any) -> None:
    document = others | (said if isinstance(said, dict) else {})
    document |= {"class_uid": 2004, "finding_info": info if isinstance(info, dict) else {}}
    assert_answered(document)
    assert isinstance(parse(document), Unparsed | ParsedFinding)
