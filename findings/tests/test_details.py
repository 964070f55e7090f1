"""All that a finding says is told, in groups, and never too long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings

from findings.guardduty.details import GROUPS_MAX, Details, details_in
from findings.guardduty.facts import FACTS_MAX, LABEL_MAX_LENGTH, VALUE_MAX_LENGTH, Fact
from findings.guardduty.parser import Kind, unwrap
from findings.guardduty.sequences import SIGNALS_MAX, Attack
from findings.tests import telling
from findings.tests.parsed import SAMPLES, finding, load, pascal
from findings.tests.test_ocsf import INFO, SSH, ocsf
from findings.tests.test_ocsf import SHAPE as OCSF_SHAPE
from findings.tests.test_parser_anything import (
    ASFF_SHAPE,
    SHAPE,
    anything,
    scalars,
    shaped,
)

some = settings(max_examples=60, deadline=None)


def told(document: Any) -> dict[str, str]:
    """Returns "group / label" with the value of each fact."""
    details = details_in(document)
    return {f"{one.title} / {it.label}": it.value for one in details.groups for it in one.facts}


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            telling.malware,
            {
                "Malware EICAR-Test-File / Threat": "EICAR-Test-File",
                "Malware EICAR-Test-File / File": "inner/evil.exe",
                "Malware EICAR-Test-File / Found by": "AMAZON",
                "Object 1 / Key": "invoice.zip",
            },
        ),
        (
            telling.runtime,
            {
                "Process / Name": "xmrig",
                "Process / Path": "/tmp/.x/xmrig",  # noqa: S108  (a path in a finding)
                "Process / User": "www-data",
                "Process / Parent": "nginx, /usr/sbin/nginx, PID 77",
                "Process / Ancestor 2": "systemd, PID 1",
                "Context of the process / Ld preload value": "/tmp/evil.so",  # noqa: S108
                "Kubernetes workload / Workload": "prod/shop",
                "Kubernetes workload / Namespace": "prod",
                "Kubernetes workload / Service account": "shop-account",
                "Container web / Image": "registry.example/shop:1",
                "Container web / Privileged": "Yes",
            },
        ),
        (
            telling.ecs,
            {
                "Malware Trojan.Gen / File": "tmp/evil.sh",
                "ECS task / Launch type": "FARGATE",
                "ECS task / Task": "arn:aws:ecs:eu-central-1:123456789012:task/blue/7f",
                "Container web / Name": "web",
            },
        ),
        (
            telling.anomaly,
            {
                "API call / API": "GetObject",
                "API call / Service": "s3.amazonaws.com",
                "API call / Error": "AccessDenied",
                "API call / Count": "41",
                "API call / AWS::S3::Bucket": "secrets",
                "Unusual for this account / Country (account)": "Seen for the first time: Spain",
                "Network traffic / Out bytes": "123456",
            },
        ),
        (
            telling.dns,
            {"DNS request / Domain": "pool.example.com", "DNS request / Protocol": "UDP"},
        ),
        (
            lambda: ocsf(SSH),
            {
                "Network connection / Direction": "Inbound",
                "Network connection / Own port": "22 (SSH)",
                "Origin of the addresses / 198.51.100.7": "Lyon, France, AS64500, Example AS",
            },
        ),
    ],
)
def test_what_a_finding_says_is_told(
    make: Callable[[], dict[str, Any]], expected: dict[str, str]
) -> None:
    for spell in (dict, pascal):
        document = make()
        found = told(document if "class_uid" in document else spell(document))
        assert {key: found.get(key) for key in expected} == expected


def test_a_sequence_is_told_signal_by_signal_in_order_of_time() -> None:
    details = details_in(telling.attack_sequence())
    created, read = details.signals
    assert (created.name, created.source) == ("iam:CreateAccessKey", "CloudTrail")
    assert created.tactics == (Attack("Persistence", "TA0003"),)
    assert created.techniques == (Attack("Additional Cloud Credentials", "T1098.001"),)
    assert created.techniques[0].url == "https://attack.mitre.org/techniques/T1098/001/"
    assert created.actors == (
        Fact("IAMUser", "mallory", Kind.USER, "mallory"),
        Fact("ID", "unheard of"),
    )
    assert created.endpoints == (Fact("Inbound", "203.0.113.9", Kind.ADDRESS, "203.0.113.9"),)
    assert Fact("API", "iam: CreateAccessKey (AccessDenied)") in created.others
    assert Fact("Tor IP", "203.0.113.9") in created.others
    assert (read.finding_id, read.count, read.severity) == (f"{2:032x}", 19, 8.0)
    assert read.endpoints == (
        Fact("Endpoint", "198.51.100.9 port 443, Lyon, France", Kind.ADDRESS, "198.51.100.9"),
    )
    assert read.resources == (Fact("S3 bucket", "secrets", Kind.BUCKET, "secrets"),)
    assert [one.name for one in details.tactics] == ["Persistence", "Exfiltration"]
    found = told(telling.attack_sequence())
    assert found["S3 bucket secrets / Public read access"] == "ALLOWED"
    assert found["Actor 1 / Session MFA status"] == "DISABLED"


def test_the_description_of_a_sequence_names_its_tactics_and_techniques() -> None:
    details = details_in(load("AttackSequence-IAM-CompromisedCredentials.camel.json"))
    assert [one.name for one in details.tactics] == [
        "Persistence", "Privilege Escalation", "Defense Evasion", "Discovery", "Initial Access",
    ]  # fmt: skip
    assert details.techniques[0] == Attack(
        "Impair Defenses: Disable or Modify Cloud Logs", "T1562.008"
    )


def test_a_connection_of_which_only_the_address_is_known_is_told() -> None:
    action = {"networkConnectionAction": {"remoteIpDetails": {"ipAddressV4": "198.51.100.7"}}}
    found = told(finding(service={"action": action}))
    assert found["Network connection / Remote address"] == "198.51.100.7"


def test_what_is_new_to_us_is_told_by_its_own_name() -> None:
    found = told(finding(service={"quantumDetails": {"qubitArn": "arn:q"}}, newField=[1, 2]))
    assert found["Other details / Quantum details qubit ARN"] == "arn:q"
    assert found["Other fields / New field"] == "1, 2"


def assert_bounded(details: Details) -> None:
    assert len(details.groups) <= GROUPS_MAX + 1
    assert len(details.signals) <= SIGNALS_MAX
    for group in details.groups:
        assert 0 < len(group.facts) <= FACTS_MAX
        assert 0 < len(group.title) <= LABEL_MAX_LENGTH
        for one in group.facts:
            assert 0 < len(one.value) <= VALUE_MAX_LENGTH
            assert 0 < len(one.label) <= LABEL_MAX_LENGTH
            assert bool(one.kind) is bool(one.name)
            assert "\0" not in (one.value + one.label).encode().decode()


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.json")), ids=lambda path: path.name)
def test_every_sample_tells_something(path: Any) -> None:
    for found in unwrap(load(path.name)):
        details = details_in(found)
        assert_bounded(details)
        assert len(details.groups) > 1 or details.tactics


def test_a_large_finding_is_told_in_part() -> None:
    many = [{"name": "x" * 5000, "images": ["y" * 5000] * 500} for _ in range(1000)]
    signals = [{"name": "s", "others": many[:1]} for _ in range(1000)]
    document = finding(
        resource={"newDetails": many},
        service={"newDetails": many, "detection": {"sequence": {"signals": signals}}},
    )
    details = details_in(document)
    assert_bounded(details)
    assert "The raw finding says more." in {one.facts[-1].value for one in details.groups}
    assert "Finding in GuardDuty" in {one.title for one in details.groups}


_process = dict.fromkeys(("name", "executablePath", "pid", "startTime"))
MORE: dict[str, Any] = {
    "resource": {
        "kubernetesDetails": {"kubernetesWorkloadDetails": {"name": None, "containers": [None]}},
        "instanceDetails": {"networkInterfaces": [{"securityGroups": [{"groupId": None}]}]},
        "ecsClusterDetails": {"taskDetails": {"arn": None, "containers": [{"name": None}]}},
    },
    "service": {
        "runtimeDetails": {
            "process": _process | {"lineage": [_process]},
            "context": {"targetProcess": _process, "flags": [None]},
        },
        "malwareScanDetails": {"threats": [{"name": None, "itemPaths": [{"hash": None}]}]},
        "evidence": {"threatIntelligenceDetails": [{"threatNames": [None]}]},
        "additionalInfo": {
            "unusualBehavior": {"unusualAPIsAccountProfiling": None, "isUnusual": None},
            "recentApiCalls": [{"api": None, "count": None}],
            "inBytes": None,
        },
        "detection": {
            "anomaly": {
                "unusual": {"behavior": {"a": {"b": {"observations": {"text": [None]}}}}},
                "profiles": {"a": {"b": [{"profileSubtype": None}]}},
            },
            "sequence": {
                "actors": [{"id": None, "user": {"name": None, "type": None}, "process": None}],
                "endpoints": [{"id": None, "ip": None, "port": None, "domain": None}],
                "resources": [{"uid": None, "resourceType": None, "data": None}],
                "signals": [
                    {
                        "uid": None,
                        "name": None,
                        "firstSeenAt": None,
                        "count": None,
                        "severity": None,
                        "actorIds": [None],
                        "signalIndicators": [{"key": None, "values": [None]}],
                        "activities": [{"api": {"operation": None, "error": None}}],
                    }
                ],
            },
        },
    },
}


@some
@given(said=shaped(SHAPE) | shaped(MORE) | anything)
def test_no_finding_makes_it_fail(said: Any) -> None:
    document = {"id": "1", "type": "Recon:EC2/Portscan"}
    assert_bounded(details_in(document | said if isinstance(said, dict) else said))


@some
@given(said=shaped(OCSF_SHAPE), info=shaped(INFO), asff=shaped(ASFF_SHAPE), identity=scalars)
def test_no_finding_of_another_format_makes_it_fail(
    said: Any, info: Any, asff: Any, identity: Any
) -> None:
    in_ocsf = {"class_uid": 2004, "finding_info": info if isinstance(info, dict) else {}}
    assert_bounded(details_in((said if isinstance(said, dict) else {}) | in_ocsf))
    in_asff = {"productFields": {}, "id": identity} | (asff if isinstance(asff, dict) else {})
    assert_bounded(details_in(in_asff))
