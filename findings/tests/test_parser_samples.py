"""The parser reads real findings correctly."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Any

import pytest

from findings.guardduty.parser import Address, Kind, parse, unwrap
from findings.tests.parsed import SAMPLES, acting, actor, at, load, only, pascal, target


def generated(address: str, number: str = "", organization: str = "GeneratedFindingORG") -> Address:
    return Address(
        address,
        country=f"GeneratedFindingCountryName{number}",
        city=f"GeneratedFindingCityName{number}",
        organization=f"{organization}{number}",
    )


V6 = "1234:5678:90ab:cdef:1234:5678:90ab:cde"
PROBES = tuple(
    generated(address, str(number + 1))
    for number in range(4)
    for address in (f"198.51.100.{number}", f"{V6}{number}")
)
INSTANCE = target(Kind.INSTANCE, "i-99999999")
GENERATED_KEY = actor(Kind.ACCESS_KEY, "GeneratedFindingAccessKeyId")
GENERATED_USER = actor(Kind.USER, "GeneratedFindingUserName")


# Expected values, copied by hand from the files.
SAID: dict[str, dict[str, Any]] = {
    "AttackSequence-IAM-CompromisedCredentials.camel.json": {
        "account_id": "123456789012",
        "region": "us-east-1",
        "finding_id": "8c258d654378414b9bc26f61a93eb816",
        "finding_type": "AttackSequence:IAM/CompromisedCredentials",
        "severity": 9.0,
        "title": (
            "Potential credential compromise of IAMUser/john_doe indicated by a sequence of"
            " actions."
        ),
        "count": 1,
        "first_seen_at": at("2025-02-25 20:40:06.0"),
        "last_seen_at": at("2025-02-25 20:40:06.0"),
        "action_type": "",
        "addresses": (),
        "entities": (),
        "principal": "",
        "principal_type": "",
        "is_sample": False,
    },
    "Credential-Access-IAM-Anomalous-Behavior.json": {
        "account_id": "057372331974",
        "region": "us-east-1",
        "finding_id": "6acdc15e4418414a868e8bbdf45b456b",
        "finding_type": "CredentialAccess:IAMUser/AnomalousBehavior",
        "severity": 5.0,
        "count": 2,
        "first_seen_at": at("2025-08-22 01:40:10.0"),
        "last_seen_at": at("2025-10-09 12:42:50.0"),
        "action_type": "AWS_API_CALL",
        "addresses": (
            generated("198.51.100.0", organization="GeneratedFindingOrg"),
            generated(f"{V6}0", organization="GeneratedFindingOrg"),
        ),
        # AWS does not document this user type, so it can be a user or a role.
        "entities": (
            *acting(generated("198.51.100.0"), generated(f"{V6}0")),
            GENERATED_KEY,
            INSTANCE,
        ),
        "user_agent": "GeneratedFindingFullUserAgent",
        "principal": "GeneratedFindingUserName",
        "principal_type": "GeneratedFindingUserType",
        "is_sample": True,
    },
    "Recon-EC2-PortProbeUnprotectedPort.json": {
        "account_id": "1234567891234",  # masked, with one digit too many
        "region": "us-east-1",
        "finding_id": "6e4632e9929d47c393f3622da097fe9a",
        "finding_type": "Recon:EC2/PortProbeUnprotectedPort",
        "severity": 2.0,
        "count": 2,
        "first_seen_at": at("2025-08-22 01:40:09.0"),
        "last_seen_at": at("2025-10-01 18:19:15.0"),
        "action_type": "PORT_PROBE",
        "addresses": PROBES,
        "entities": (*acting(*PROBES), INSTANCE),
        "is_sample": True,
    },
    "Trojan-EC2-DGADomainRequest-B.json": {
        "account_id": "1234567891234",
        "finding_id": "25608f290d06467fbd23041b2c9f6e88",
        "finding_type": "Trojan:EC2/DGADomainRequest.B",
        "severity": 8.0,
        "count": 2,
        "last_seen_at": at("2025-10-01 18:15:41.0"),
        "action_type": "DNS_REQUEST",
        "addresses": (),
        "entities": (actor(Kind.INSTANCE, "i-99999999"),),  # "ResourceRole": "ACTOR"
        "is_sample": True,
    },
    "UnauthorizedAccess-EC2-SSHBruteForce.json": {
        "account_id": "1234567891234",
        "finding_id": "49514155ed6b4536b05649a87fc3c05a",
        "finding_type": "UnauthorizedAccess:EC2/SSHBruteForce",
        "severity": 2.0,
        "count": 2,
        "first_seen_at": at("2025-08-22 01:40:09.0"),
        "action_type": "NETWORK_CONNECTION",
        "addresses": (generated("198.51.100.0"), generated(f"{V6}0")),
        "entities": (*acting(generated("198.51.100.0"), generated(f"{V6}0")), INSTANCE),
        "is_sample": True,
    },
    "UnauthorizedAccess-EC2-TorClient.json": {
        "account_id": "1234567891234",
        "finding_id": "cdf9ae8187744b15aeaf17c7ef2f8a52",
        "finding_type": "UnauthorizedAccess:EC2/TorClient",
        "severity": 8.0,
        "title": "The EC2 instance i-99999999 is communicating with a Tor entry node.",
        "last_seen_at": at("2025-10-01 14:38:47.0"),
        "action_type": "NETWORK_CONNECTION",
        "addresses": (generated("198.51.100.0"), generated(f"{V6}0")),
        "entities": (*acting(generated("198.51.100.0"), generated(f"{V6}0")), INSTANCE),
        "is_sample": True,
    },
    "asff-ttps-initial-access-unauthorizedaccess-ec2-sshbruteforce-defectdojo.json": {
        "account_id": "123456789012",
        "region": "us-east-1",
        "finding_id": "4897489798789",
        "finding_type": "UnauthorizedAccess:EC2/SSHBruteForce",
        "severity": 2.0,
        "title": "1.2.9.9 is performing SSH brute force attacks against i-1234567890.",
        "count": 7,
        "first_seen_at": at("2023-11-06 15:28:58.0"),
        "last_seen_at": at("2099-01-12 07:30:38.0"),
        "action_type": "NETWORK_CONNECTION",
        "addresses": (Address("1.22.9.9", country="Italy", city="Pomezia", organization="C1V"),),
        "entities": (actor(Kind.ADDRESS, "1.22.9.9"), target(Kind.INSTANCE, "i-1234567890")),
        "is_sample": False,
    },
    "camel-discovery-kubernetes-toripcaller-elastic.json": {
        "account_id": "123412341234",
        "finding_id": "43b6abcdeabcdeabcde1234562176924",
        "finding_type": "Discovery:Kubernetes/TorIPCaller",
        "severity": 5.0,
        "count": 2,
        "first_seen_at": at("2022-11-17 09:33:19.0"),
        "last_seen_at": at("2022-11-22 12:22:20.0"),
        "action_type": "KUBERNETES_API_CALL",
        "addresses": (generated("175.16.199.1"),),
        "entities": (
            actor(Kind.ADDRESS, "175.16.199.1"),
            actor(Kind.ROLE, "GeneratedFindingUserName"),
            GENERATED_KEY,
            target(Kind.CLUSTER, "GeneratedFindingEKSClusterName"),
        ),
        "user_agent": "",
        "principal": "GeneratedFindingUserName",
        "principal_type": "Role",
        "is_sample": True,
    },
    "camel-execution-ecs-maliciousfile-sekoia-io.json": {
        "account_id": "111111111111",
        "region": "eu-west-2",
        "finding_id": "cfa85e08f16d4f0bad271c90a1fae771",
        "finding_type": "Execution:ECS/MaliciousFile",
        "severity": 8.0,
        "first_seen_at": at("2023-03-20 15:33:12.0"),
        "action_type": "",
        "addresses": (),
        "entities": (
            target(Kind.CLUSTER, "GeneratedFindingECSClusterName"),
            target(Kind.TASK, "arn:aws:ecs:region:123456789000:task/mycluster/043de9ab3"),
            target(Kind.CONTAINER, "GeneratedFindingContainerName"),
            target(Kind.VOLUME, "vol-09d5050dea915943d"),
            target(Kind.SNAPSHOT, "snap-12345678901234567"),
        ),
        "is_sample": True,
    },
    "camel-pentest-s3-parrotlinux-aws-samples.json": {
        "account_id": "123456789012",
        "finding_id": "2cbf285e52a6e74ff96f4cb3cf93296d",
        "finding_type": "PenTest:S3/ParrotLinux",
        "severity": 5.0,
        "first_seen_at": at("2022-01-13 00:00:47.0"),
        "action_type": "AWS_API_CALL",
        "addresses": (generated("198.51.100.0"),),
        "entities": (
            actor(Kind.ADDRESS, "198.51.100.0"),
            GENERATED_USER,
            GENERATED_KEY,
            INSTANCE,
            target(Kind.BUCKET, "bucketName"),
            target(Kind.BUCKET, "GeneratedFindingS3Bucket"),  # from affectedResources
        ),
        "principal": "GeneratedFindingUserName",
        "principal_type": "IAMUser",
        "is_sample": True,
    },
    "eb-recon-ec2-portprobeemrunprotectedport-mozilla-services.json": {
        "account_id": "123456789012",
        "region": "us-west-2",
        "finding_id": "36b59ed2edad8b965a0ee921052cb481",
        "finding_type": "Recon:EC2/PortProbeEMRUnprotectedPort",
        "severity": 2.0,
        "count": 2,
        "first_seen_at": at("2019-06-09 19:10:08.219"),
        "last_seen_at": at("2019-06-09 19:10:23.297"),
        "action_type": "PORT_PROBE",
        "addresses": (generated("198.51.100.0"),),
        "entities": (actor(Kind.ADDRESS, "198.51.100.0"), INSTANCE),
        "is_sample": True,
    },
    "eb-trojan-ec2-dgadomainrequest-c-dns-mozilla-services.json": {
        "account_id": "123456789012",
        "finding_id": "eab59ed2edadbbeec48f69680ca4e979",
        "finding_type": "Trojan:EC2/DGADomainRequest.C!DNS",
        "severity": 8.0,
        "title": "DGA domain name queried by EC2 instance i-99999999.",
        "action_type": "DNS_REQUEST",
        "addresses": (),
        "entities": (INSTANCE,),
        "is_sample": True,
    },
    "eb-unauthorizedaccess-ec2-maliciousipcaller-custom-mozilla-services.json": {
        "account_id": "123456789012",
        "finding_id": "e4fcb9e692ce3a8a3f4a3f9091df82e3",
        "finding_type": "UnauthorizedAccess:EC2/MaliciousIPCaller.Custom",
        "severity": 5.0,
        "action_type": "NETWORK_CONNECTION",
        "addresses": (generated("198.51.100.0"),),
        "entities": (actor(Kind.ADDRESS, "198.51.100.0"), INSTANCE),
    },
    "eb-unauthorizedaccess-iamuser-toripcaller-cloud-custodian.json": {
        "account_id": "883606788610",  # the envelope has 101010101111
        "finding_id": "36b01b60fc22bb4edb19d62d9899e953",
        "finding_type": "UnauthorizedAccess:IAMUser/TorIPCaller",
        "severity": 5.0,
        "first_seen_at": at("2017-12-08 15:32:49.0"),
        "action_type": "AWS_API_CALL",
        "addresses": (
            Address(
                "198.51.100.0", "United States", "GeneratedFindingCityName", "GeneratedFindingORG"
            ),
        ),
        "entities": (
            actor(Kind.ADDRESS, "198.51.100.0"),
            GENERATED_USER,
            GENERATED_KEY,
            INSTANCE,
        ),
        "principal_type": "IAMUser",
    },
    "pascal-credentialaccess-rds-anomalousbehavior-successfullogin-cloud-solutions-ar.json": {
        "account_id": "960603541212",
        "finding_id": "08e1efaa85da43428055d10feedc767a",
        "finding_type": "CredentialAccess:RDS/AnomalousBehavior.SuccessfulLogin",
        "severity": 8.0,
        "first_seen_at": at("2025-03-17 13:33:35.0"),
        "action_type": "RDS_LOGIN_ATTEMPT",
        "addresses": (
            generated("1.2.3.4", organization="GeneratedFindingOrg"),
            generated(f"{V6}0", organization="GeneratedFindingOrg"),
        ),
        # A database user is not an IAM user.
        "entities": (
            *acting(generated("1.2.3.4"), generated(f"{V6}0")),
            target(Kind.SHARD_GROUP, "dbshardgroupidentifier"),
        ),
        "principal": "GeneratedFindingUserName",
        "principal_type": "",
        "is_sample": True,
    },
    "pascal-defenseevasion-runtime-filelessexecution-cloud-solutions-ar.json": {
        "account_id": "960603541212",
        "finding_id": "06a89fff529642fd840df16d4cb985b6",
        "finding_type": "DefenseEvasion:Runtime/FilelessExecution",
        "severity": 5.0,
        "action_type": "",
        "addresses": (),
        "entities": (INSTANCE,),
        "principal": "",
        "is_sample": True,
    },
    "pascal-recon-iamuser-userpermissions-aws.json": {
        "account_id": "111122223333",
        "region": "us-east-1",
        "finding_id": "1ab92989eaf0e742df4a014d5example",
        "finding_type": "Recon:IAMUser/UserPermissions",
        "severity": 5.0,
        "title": "Unusual user permission reconnaissance activity by testuser.",
        "count": 5,
        "first_seen_at": at("2020-05-26 22:02:24.0"),
        "last_seen_at": at("2020-05-26 22:33:55.0"),
        "action_type": "AWS_API_CALL",
        "addresses": (Address("52.94.36.7", "United Kingdom", "London", "Amazon.com"),),
        "entities": (
            actor(Kind.ADDRESS, "52.94.36.7"),
            actor(Kind.USER, "testuser"),
            actor(Kind.ACCESS_KEY, "ASIASZ4SI7REEEXAMPLE"),
        ),
        "principal": "testuser",
        "principal_type": "IAMUser",
        "is_sample": False,
    },
    "pascal-trojan-lambda-blackholetraffic-cloud-solutions-ar.json": {
        "account_id": "960603541212",
        "finding_id": "08adfc6c75464c42a491210902114b76",
        "finding_type": "Trojan:Lambda/BlackholeTraffic",
        "severity": 5.0,
        "action_type": "NETWORK_CONNECTION",
        "addresses": (generated("190.71.100.0"), generated(f"{V6}0")),
        "entities": (
            *acting(generated("190.71.100.0"), generated(f"{V6}0")),
            target(Kind.FUNCTION, "GeneratedFindingLambdaFunctionName"),
        ),
        "is_sample": True,
    },
}


@pytest.mark.parametrize("name", SAID)
def test_a_sample_is_read_as_what_it_says(name: str) -> None:
    understood = only(load(name))
    assert {key: getattr(understood, key) for key in SAID[name]} == SAID[name]


def test_every_sample_is_in_the_table_and_of_the_type_that_the_index_tells() -> None:
    with (SAMPLES / "INDEX.csv").open(encoding="utf-8", newline="") as file:
        types = {row["file"]: row["finding_type"] for row in csv.DictReader(file)}
    assert types.keys() == SAID.keys() == {path.name for path in SAMPLES.glob("*.json")}
    for name, finding_type in types.items():
        if not name.startswith("asff"):
            assert only(load(name)).finding_type == finding_type


@pytest.mark.parametrize("name", [name for name in SAID if not name.startswith("asff")])
def test_both_spellings_of_the_keys_say_the_same(name: str) -> None:
    (found,) = unwrap(load(name))
    assert isinstance(found, Mapping)
    # AWS::S3::Bucket and similar keys start with a capital letter in both spellings.
    assert parse(pascal(found)) == parse(found)
