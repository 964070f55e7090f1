"""Each actor and each affected resource of a finding is named once."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from findings.guardduty.parser import Address, Entity, Kind, ParsedFinding
from findings.tests.parsed import acting, actor, finding, only, pascal, target


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


def test_each_new_resource_is_an_entity_of_its_own_kind() -> None:
    resource = {
        "kubernetesDetails": {
            "kubernetesWorkloadDetails": {
                "name": "api",
                "namespace": "payments",
                "containers": [{"name": "web", "id": "containerd://1"}, {"name": "sidecar"}],
            }
        },
        "containerDetails": {"name": "miner"},
        "ebsVolumeDetails": {
            "scannedVolumeDetails": [
                {
                    "volumeArn": "arn:aws:ec2:eu-west-1:1:volume/vol-1",
                    "snapshotArn": "arn:aws:ec2:eu-west-1:1:snapshot/snap-1",
                }
            ]
        },
        "ebsSnapshotDetails": {"snapshotArn": "arn:aws:ec2:eu-west-1::snapshot/snap-2"},
        "ec2ImageDetails": {"imageArn": "arn:aws:ec2:eu-west-1::image/ami-1"},
        "recoveryPointDetails": {
            "recoveryPointArn": "arn:aws:backup:eu-west-1:1:recovery-point:7f"
        },
        "bedrockGuardrailDetails": {
            "guardrailArn": "arn:aws:bedrock:eu-west-1:1:guardrail/g1",
            "guardrails": [{"arn": "arn:aws:bedrock:eu-west-1:1:guardrail/g2"}],
        },
        "modelDetails": [{"modelId": "example.model-v1:0"}],
        "rdsLimitlessDbDetails": {"dbShardGroupIdentifier": "shards"},
        "s3BucketDetails": [
            {
                "name": "logs",
                "s3ObjectDetails": [
                    {"key": "a/b.exe"},
                    {"objectArn": "arn:aws:s3:::logs/c.exe", "key": "c.exe"},
                ],
            }
        ],
    }
    for spell in (dict, pascal):
        assert set(only(spell(finding(resource=resource))).entities) == {
            target(Kind.WORKLOAD, "payments/api"),
            target(Kind.CONTAINER, "containerd://1"),
            target(Kind.CONTAINER, "sidecar"),
            target(Kind.CONTAINER, "miner"),
            target(Kind.VOLUME, "vol-1"),
            target(Kind.SNAPSHOT, "snap-1"),
            target(Kind.SNAPSHOT, "snap-2"),
            target(Kind.IMAGE, "ami-1"),
            target(Kind.RECOVERY_POINT, "arn:aws:backup:eu-west-1:1:recovery-point:7f"),
            target(Kind.GUARDRAIL, "g1"),
            target(Kind.GUARDRAIL, "g2"),
            target(Kind.MODEL, "example.model-v1:0"),
            target(Kind.SHARD_GROUP, "shards"),
            target(Kind.BUCKET, "logs"),
            target(Kind.OBJECT, "logs/a/b.exe"),
            target(Kind.OBJECT, "arn:aws:s3:::logs/c.exe"),
        }


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
        {
            "uid": "w-1",
            "name": "api",
            "resourceType": "KUBERNETES_WORKLOAD",
            "data": {"kubernetesWorkload": {"namespace": "payments"}},
        },
        {"uid": "m-1", "name": "tuned", "resourceType": "BEDROCK_CUSTOM_MODEL"},
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
        actor(Kind.DOMAIN, "example.com"),
        actor(Kind.USER, "bob"),
        actor(Kind.ACCESS_KEY, "AKIA1"),
        actor(Kind.ROLE, "deploy"),
        target(Kind.INSTANCE, "i-1"),
        target(Kind.ACCESS_KEY, "AKIA2"),
        target(Kind.CLUSTER, "blue"),
        target(Kind.BUCKET, "one"),
        target(Kind.TASK, "arn:aws:ecs:eu-west-1:1:task/blue/7"),
        target(Kind.CLUSTER, "green"),
        target(Kind.WORKLOAD, "payments/api"),
        target(Kind.MODEL, "tuned"),
    )
    assert (understood.principal, understood.principal_type) == ("bob", "IAMUser")


def test_four_hundred_endpoints_are_four_hundred_addresses() -> None:
    endpoints = [{"ip": str(ipaddress.ip_address(2**31 + number))} for number in range(400)]
    service = {"detection": {"sequence": {"endpoints": endpoints}}}
    assert len(only(finding(service=service)).addresses) == 400


def test_nothing_is_guessed() -> None:
    assert only(finding(title=None, createdAt="2025-02-25T12:00:00Z")) == ParsedFinding(
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
        connections=(),
        domains=(),
        acting_instances=(),
        entities=(),
        user_agent="",
        principal="",
        principal_type="",
        foreign_principals=frozenset(),
        federated=(),
        bucket_uses=(),
        is_sample=False,
        set_aside="",
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


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_names_are_taken_out_of_the_arns_of_every_partition(partition: str) -> None:
    resource = {"s3BucketDetails": [{"arn": f"arn:{partition}:s3:::logs"}]}
    assert only(finding(resource=resource)).entities == (Entity(Kind.BUCKET, "logs", False),)
