from __future__ import annotations

import pytest

from findings import catalogue
from findings.catalogue import FINDING_TYPES, SERVICES, Severity, Source


def types_of(source: Source) -> list[catalogue.FindingType]:
    return [t for t in FINDING_TYPES.values() if t.source == source]


def test_the_catalogue_has_guarddutys_types_and_our_five_detectors() -> None:
    assert len(types_of(Source.GUARDDUTY)) == 229
    assert [detector.title for detector in types_of(Source.THREATREACTION)] == [
        "S3 Data Exfiltration",
        "Unauthorized IAM Credential Use",
        "Ransomware Write",
        "Ransomware Delete",
        "Ransomware Enumeration",
    ]


def test_every_type_has_the_form_and_names_its_service() -> None:
    for finding_type in FINDING_TYPES.values():
        assert catalogue.has_form(finding_type.name)
        assert catalogue.service_of(finding_type.name) == finding_type.service


def test_every_type_has_a_severity_and_all_four_where_aws_says_varies() -> None:
    assert all(finding_type.severities for finding_type in FINDING_TYPES.values())
    varies = FINDING_TYPES["Execution:EC2/MaliciousFile"]
    assert varies.severities == tuple(Severity)
    assert FINDING_TYPES["AttackSequence:EKS/CompromisedCluster"].severities == (Severity.CRITICAL,)


def test_a_service_never_spans_both_sources() -> None:
    for service in SERVICES.values():
        assert {finding_type.source for finding_type in service.types} == {service.source}


@pytest.mark.parametrize(
    "finding_type",
    [
        "UnauthorizedAccess:EC2/SSHBruteForce",
        "Backdoor:EC2/C&CActivity.B!DNS",
        "NewPurpose:NewService2/Family.Sub-type!Artifact",
        "a:b/" + "c" * 96,
    ],
)
def test_a_type_may_be_new_if_it_has_the_form(finding_type: str) -> None:
    assert catalogue.has_form(finding_type)


@pytest.mark.parametrize(
    "finding_type",
    [
        "",
        "SSHBruteForce",
        "UnauthorizedAccess:EC2",
        "UnauthorizedAccess:EC2/",
        ":EC2/SSHBruteForce",
        "UnauthorizedAccess/EC2:SSHBruteForce",
        "UnauthorizedAccess:EC2 SSHBruteForce",
        "UnauthorizedAccess:EC2/SSHBruteForce\n",
        "UnauthorizedAccess:EC2/SSH/BruteForce",
        "UnauthorizedAccess:EC2/SSHBruteF\u00f6rce",
        "UnauthorizedAccess:EC\u0662/SSHBruteForce",
        "a:b/" + "c" * 97,
    ],
)
def test_anything_else_is_no_finding_type(finding_type: str) -> None:
    assert not catalogue.has_form(finding_type)


@pytest.mark.parametrize(
    ("finding_type", "answer"),
    [
        ("Persistence:IAMUser/AnomalousBehavior", True),  # found by CloudTrail
        ("UnauthorizedAccess:EC2/SSHBruteForce", False),  # found by VPC flow logs
        ("ThreatReaction:Ransomware/Write", True),
        ("NewPurpose:IAMUser/NewFamily", True),  # unknown type of a service with credentials
        ("Execution:Lambda/NetworkPortUnusual", True),  # a function has a role
        (
            "NewPurpose:Container/NewFamily",
            False,
        ),  # unknown type of a service without credentials
        ("NewPurpose:NewService/NewFamily", True),  # unknown type and service
    ],
)
def test_a_credential_can_be_revoked_only_where_one_is_named(
    finding_type: str, answer: bool
) -> None:
    assert catalogue.can_revoke(finding_type=finding_type) is answer


@pytest.mark.parametrize(("service", "answer"), [("S3", True), ("Container", False)])
def test_a_service_can_be_revoked_if_one_of_its_types_can(service: str, answer: bool) -> None:
    assert catalogue.can_revoke(service=service) is answer
