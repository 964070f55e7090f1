"""ISOLATE takes an instance off the network, and RESTORE gives back what it had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.api_auth import Caller
from actions import undo as undoing
from actions.execution import carry_out_due
from actions.models import Attempt, Memory, Reaction
from actions.tests.attacks import arrive, attack, set_action, undo
from tests.aws import REGION, Cloud

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # calls to AWS

MINING = "CryptoCurrency:EC2/BitcoinTool.B!DNS"


@dataclass
class Instance:
    """An instance with three network interfaces of different groups, and its VPC."""

    cloud: Cloud
    id: str
    vpc: str
    subnet: str
    quarantine: str

    @property
    def groups(self) -> dict[str, list[str]]:
        """The groups of each network interface, by its ID."""
        answer = self.cloud.client("ec2").describe_instances(InstanceIds=[self.id])
        interfaces = answer["Reservations"][0]["Instances"][0]["NetworkInterfaces"]
        return {
            one["NetworkInterfaceId"]: sorted(group["GroupId"] for group in one["Groups"])
            for one in interfaces
        }

    @property
    def is_isolated(self) -> bool:
        return {tuple(one) for one in self.groups.values()} == {(self.quarantine,)}


def group(cloud: Cloud, vpc: str, name: str) -> str:
    """Creates a security group without rules."""
    ec2 = cloud.client("ec2")
    made = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
    (found,) = ec2.describe_security_groups(GroupIds=[made])["SecurityGroups"]
    ec2.revoke_security_group_egress(GroupId=made, IpPermissions=found["IpPermissionsEgress"])
    return str(made)


def an_instance(cloud: Cloud) -> Instance:
    """Creates an instance and its VPC."""
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.7.1.0/24")["Subnet"]["SubnetId"]
    web, database = group(cloud, vpc, "web"), group(cloud, vpc, "database")
    quarantine = group(cloud, vpc, "quarantine")
    tag = {"Key": "threatreaction:quarantine", "Value": ""}
    ec2.create_tags(Resources=[quarantine], Tags=[tag])
    (made,) = ec2.run_instances(
        ImageId="ami-12c6146b", MinCount=1, MaxCount=1, SubnetId=subnet, SecurityGroupIds=[web]
    )["Instances"]
    for index, groups in ((1, [web, database]), (2, [database])):
        interface = ec2.create_network_interface(SubnetId=subnet, Groups=groups)
        which = interface["NetworkInterface"]["NetworkInterfaceId"]
        ec2.attach_network_interface(
            NetworkInterfaceId=which, InstanceId=made["InstanceId"], DeviceIndex=index
        )
    cloud.give_each_interface_its_own_groups(made["InstanceId"])
    return Instance(cloud, made["InstanceId"], vpc, subnet, quarantine)


@pytest.fixture
def instance(cloud: Cloud, ip_set: str, settings: Settings) -> Instance:
    """An instance, ISOLATION=on, and a policy that blocks mining."""
    settings.ISOLATION = "on"
    set_action("BLOCK", finding_type=MINING)
    return an_instance(cloud)


def mining(instance: Instance, number: int = 1, **members: Any) -> dict[str, Any]:
    """Returns a finding about the instance, which asks for a pool of miners."""
    action = {"actionType": "DNS_REQUEST", "dnsRequestAction": {"domain": "pool.example.org"}}
    resource = {"instanceDetails": {"instanceId": instance.id}}
    return attack(
        number, type=MINING, region=REGION, resource=resource, service={"action": action}, **members
    )


def isolation() -> Reaction:
    return Reaction.objects.filter(kind="ISOLATE").latest("pk")


def test_an_instance_with_three_interfaces_is_isolated_and_restored(
    session: boto3.Session, instance: Instance, operator: User
) -> None:
    before = instance.groups
    assert [len(groups) for groups in before.values()] == [1, 2, 1]
    arrive(mining(instance, 1), mining(instance, 2))  # isolated twice, remembered once
    carry_out_due(session)
    assert instance.is_isolated
    assert isolation().state == "done"
    assert "already open" in isolation().outcome
    assert Memory.objects.count() == 3
    restored = undo(isolation(), operator)
    assert restored
    carry_out_due(session)
    assert instance.groups == before
    restored.refresh_from_db()
    assert all(which in restored.outcome for which in before)


def test_after_an_error_the_rest_is_isolated_and_all_is_restored(
    cloud: Cloud, session: boto3.Session, instance: Instance, operator: User
) -> None:
    before = instance.groups
    cloud.fail("ModifyNetworkInterfaceAttribute", "UnauthorizedOperation", status=403, times=1)
    arrive(mining(instance))
    carry_out_due(session)
    assert isolation().state == "pending"
    assert "UnauthorizedOperation" in Attempt.objects.get().answer
    Reaction.objects.all().postpone(timezone.now())
    carry_out_due(session)
    assert instance.is_isolated
    assert Memory.objects.count() == 3
    undo(isolation(), operator)
    carry_out_due(session)
    assert instance.groups == before


def test_groups_that_somebody_changed_since_are_left(
    cloud: Cloud, session: boto3.Session, instance: Instance, operator: User
) -> None:
    arrive(mining(instance))
    carry_out_due(session)
    changed, *others = instance.groups
    by_hand = group(cloud, instance.vpc, "forensics")
    cloud.client("ec2").modify_network_interface_attribute(
        NetworkInterfaceId=changed, Groups=[by_hand]
    )
    restored = undo(isolation(), operator)
    assert restored
    carry_out_due(session)
    restored.refresh_from_db()
    assert restored.state == "failed"
    assert f"changed the groups of {changed} since" in restored.outcome
    assert f"It has {by_hand}, and was left. To accept this as it is" in restored.outcome
    assert instance.groups[changed] == [by_hand]
    assert all(instance.groups[one] != [instance.quarantine] for one in others)
    assert restore_again(session, operator).state == "done"
    assert instance.groups[changed] == [by_hand]
    assert not Reaction.objects.in_force().exists()


def restore_again(session: boto3.Session, operator: User) -> Reaction:
    """Restores once more, by which a person accepts what the last restore found."""
    asked = undo(isolation(), operator)
    assert asked
    carry_out_due(session)
    asked.refresh_from_db()
    return asked


def test_what_nobody_has_seen_is_not_accepted(
    cloud: Cloud, session: boto3.Session, instance: Instance, operator: User
) -> None:
    arrive(mining(instance))
    carry_out_due(session)
    changed = next(iter(instance.groups))
    outcomes = []
    for name in ("forensics", "another"):
        cloud.client("ec2").modify_network_interface_attribute(
            NetworkInterfaceId=changed, Groups=[group(cloud, instance.vpc, name)]
        )
        outcomes.append(restore_again(session, operator).state)
    assert outcomes == ["failed", "failed"]  # the second one found something else
    by_program = undoing.undo(
        isolation(), why="x", by=Caller("c1", client_id="c1"), at=timezone.now()
    )
    carry_out_due(session)
    assert by_program
    by_program.refresh_from_db()
    assert by_program.state == "failed"
    assert restore_again(session, operator).state == "done"


def test_groups_in_another_order_are_the_same_groups(
    cloud: Cloud, session: boto3.Session, instance: Instance, operator: User
) -> None:
    before = instance.groups
    arrive(mining(instance))
    carry_out_due(session)
    ec2 = cloud.client("ec2")
    (two,) = Memory.objects.filter(before__groups__1__isnull=False)
    ec2.modify_network_interface_attribute(
        NetworkInterfaceId=two.resource, Groups=two.before["groups"][::-1]
    )
    restored = undo(isolation(), operator)
    carry_out_due(session)
    assert restored
    restored.refresh_from_db()
    assert restored.state == "done"
    assert instance.groups == before


def test_a_group_that_was_deleted_since_does_not_keep_the_others_isolated(
    cloud: Cloud, session: boto3.Session, instance: Instance, operator: User
) -> None:
    (web,), _, (database,) = instance.groups.values()
    arrive(mining(instance))
    carry_out_due(session)
    cloud.client("ec2").delete_security_group(GroupId=database)
    restored = restore_again(session, operator)
    assert restored.state == "failed"
    assert f"has {web} again. Deleted since: {database}." in restored.outcome
    assert f"still has the quarantine group {instance.quarantine}" in restored.outcome
    assert list(instance.groups.values()) == [[web], [web], [instance.quarantine]]
    accepted = restore_again(session, operator)
    assert accepted.state == "done"
    assert "oscar accepted this: it is no longer counted as contained." in accepted.outcome


def never_isolate(cloud: Cloud, instance: Instance, settings: Settings) -> None:
    tag = {"Key": "threatreaction:never-isolate", "Value": "false"}
    cloud.client("ec2").create_tags(Resources=[instance.id], Tags=[tag])


def without_a_group(cloud: Cloud, instance: Instance, settings: Settings) -> None:
    cloud.client("ec2").delete_security_group(GroupId=instance.quarantine)


def with_rules(cloud: Cloud, instance: Instance, settings: Settings) -> None:
    rule = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    cloud.client("ec2").authorize_security_group_egress(
        GroupId=instance.quarantine, IpPermissions=[rule]
    )


def turned_off(cloud: Cloud, instance: Instance, settings: Settings) -> None:
    settings.ISOLATION = "off"


def the_portals_own(cloud: Cloud, instance: Instance, settings: Settings) -> None:
    answer = cloud.client("ec2").describe_instances(InstanceIds=[instance.id])
    address = answer["Reservations"][0]["Instances"][0]["PrivateIpAddress"]
    settings.PORTAL_URL = f"https://{address}"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (never_isolate, "threatreaction:never-isolate"),
        (without_a_group, "has no quarantine group"),
        (with_rules, "has rules"),
        (turned_off, "ISOLATION"),
        (the_portals_own, "portal itself"),
    ],
)
def test_what_prevents_isolation_is_told(
    cloud: Cloud, session: boto3.Session, settings: Settings, instance: Instance,
    change: Any, told: str,
) -> None:  # fmt: skip
    before = instance.groups
    change(cloud, instance, settings)
    arrive(mining(instance))
    carry_out_due(session)
    assert isolation().state == "prevented"
    assert told in isolation().outcome
    assert instance.groups == before


def test_the_instance_that_the_worker_runs_on_is_not_isolated(
    cloud: Cloud, instance: Instance
) -> None:
    # The session of an instance's role is called after the instance.
    given = cloud.client("sts").assume_role(
        RoleArn="arn:aws:iam::123456789012:role/portal", RoleSessionName=instance.id
    )["Credentials"]
    own = boto3.Session(
        given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], REGION
    )
    arrive(mining(instance))
    carry_out_due(own)
    assert "portal itself runs" in isolation().outcome
    assert not instance.is_isolated


def test_a_group_of_the_setting_is_taken_before_one_with_the_tag(
    cloud: Cloud, session: boto3.Session, settings: Settings, instance: Instance
) -> None:
    settings.QUARANTINE_GROUPS = [
        group(cloud, instance.vpc, "mine"),
        "sg-0123456789abcdef0",  # of another VPC
    ]
    arrive(mining(instance))
    carry_out_due(session)
    assert {tuple(one) for one in instance.groups.values()} == {(settings.QUARANTINE_GROUPS[0],)}


def test_the_node_of_a_container_is_not_isolated(instance: Instance) -> None:
    finding = mining(instance)
    finding["resource"]["eksClusterDetails"] = {"name": "shop"}
    arrive(finding)
    assert not Reaction.objects.filter(kind="ISOLATE").exists()
