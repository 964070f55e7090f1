"""ISOLATE and RESTORE of an EC2 instance: the security groups of all its network interfaces."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from django.conf import settings

from actions import memories, paths, safeguards
from actions.aws.accounts import Access
from actions.aws.outcome import ContainmentError
from actions.memories import Restored
from actions.models import Reaction
from findings.guardduty.parser import Kind
from storage import instants

QUARANTINE_TAG = "threatreaction:quarantine"  # of a security group
NEVER_ISOLATE_TAG = "threatreaction:never-isolate"  # of an instance
# CloudFormation cannot create a group without an outbound rule, so its rule leads nowhere.
_NOWHERE = {"127.0.0.1/32", "::1/128"}


def isolate(access: Access, reaction: Reaction) -> str:
    """Moves all network interfaces of the instance to the quarantine group of their VPC.

    Remembers the groups of each one before. Raises ContainmentError, BotoCoreError or ClientError.
    """
    if not paths.ISOLATION.is_set_up:
        raise ContainmentError(paths.none_for(Kind.INSTANCE), prevented=True)
    ec2 = access.client("ec2", region=reaction.its_finding.region)
    reservations = ec2.describe_instances(InstanceIds=[reaction.target])["Reservations"]
    (instance,) = [one for some in reservations for one in some["Instances"]]
    interfaces = instance.get("NetworkInterfaces", [])
    if not interfaces:
        raise ContainmentError(
            f"The instance is {instance['State']['Name']}, and has no network interfaces.",
            permanent=True,
        )
    if refused := _against(access, instance, interfaces):
        raise ContainmentError(refused, prevented=True)
    quarantine = {vpc: _quarantine_group(ec2, vpc) for vpc in {one["VpcId"] for one in interfaces}}
    earlier = memories.recalled(reaction)
    for interface in interfaces:
        which, put = interface["NetworkInterfaceId"], [quarantine[interface["VpcId"]]]
        groups = [one["GroupId"] for one in interface["Groups"]]
        if groups == put:
            continue
        if which in earlier and groups == earlier[which].before["put"]:
            groups = earlier[which].before["groups"]  # ours: what was before it is to be given back
        memories.remember(reaction, which, {"groups": groups, "put": put})
        ec2.modify_network_interface_attribute(NetworkInterfaceId=which, Groups=put)
    return (
        f"All {len(interfaces)} network interfaces have only the quarantine group"
        f" {', '.join(sorted(set(quarantine.values())))}, which allows no new connection. AWS lets"
        " connections that are already open continue until they are idle; stop the instance to end"
        " them."
    )


def restore(access: Access, reaction: Reaction) -> Restored:
    """Gives each network interface the groups that it had, of those that exist.

    Raises as `isolate` does.
    """
    ec2 = access.client("ec2", region=reaction.its_finding.region)
    told, left = [], []
    for which, memory in memories.recalled(reaction).items():
        put, before = memory.before["put"], memory.before["groups"]
        groups = _groups_of(ec2, which)
        if groups is None:
            told.append(f"{which} no longer exists.")
        elif groups != put and not set(groups) <= set(before):
            left.append(
                f"Somebody has changed the groups of {which} since {instants.human(memory.at)}. It"
                f" has {', '.join(groups)}, and was left."
            )
        elif groups != put:
            told.append(f"{which} has {', '.join(groups)} again.")
        elif given := _give_back(ec2, which, before):
            gone = [one for one in before if one not in given]
            deleted = f" Deleted since: {', '.join(gone)}." if gone else ""
            told.append(f"{which} has {', '.join(given)} again.{deleted}")
        else:
            left.append(
                f"All groups that {which} had were deleted since: {', '.join(before)}. It still has"
                f" the quarantine group {', '.join(put)}. Give it other groups in EC2."
            )
    if not left and not told:
        left = ["The portal has no record of a change to give back. Check the groups in EC2."]
    return Restored(told, left)


def _give_back(ec2: Any, which: str, groups: list[str]) -> list[str]:
    """Gives a network interface those of its groups that exist. Returns them."""
    try:
        ec2.modify_network_interface_attribute(NetworkInterfaceId=which, Groups=groups)
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidGroup.NotFound":
            raise
        filters = [{"Name": "group-id", "Values": groups}]
        found = ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
        groups = [one for one in groups if one in {each["GroupId"] for each in found}]
        if groups:
            ec2.modify_network_interface_attribute(NetworkInterfaceId=which, Groups=groups)
    return groups


def _against(access: Access, instance: Any, interfaces: list[Any]) -> str:
    """Returns why this instance must not be isolated, or ""."""
    if any(tag["Key"] == NEVER_ISOLATE_TAG for tag in instance.get("Tags", [])):
        return f"The instance has the tag {NEVER_ISOLATE_TAG}."
    is_own_account = access.account_id == settings.AWS_ACCOUNT_ID
    # The session of an instance's role is called after the instance.
    if is_own_account and access.arn.endswith(f"/{instance['InstanceId']}"):
        return "The portal itself runs on this instance."
    addresses = {address for one in interfaces for address in _addresses_of(one)}
    own = safeguards.addresses_of_the_portal(settings.PORTAL_URL)
    if is_own_account:
        own |= safeguards.addresses_of_this_machine()
    if addresses & own:
        return "The instance has an address of the portal itself."
    return ""


def _addresses_of(interface: Any) -> set[str]:
    private = interface.get("PrivateIpAddresses", [])
    found = {one["PrivateIpAddress"] for one in private}
    found |= {one["Association"]["PublicIp"] for one in private if one.get("Association")}
    return found | {one["Ipv6Address"] for one in interface.get("Ipv6Addresses", [])}


def _quarantine_group(ec2: Any, vpc: str) -> str:
    """Returns the ID of the quarantine group of a VPC: of QUARANTINE_GROUPS, else by its tag."""
    candidates: list[Any] = []
    for name, values in (
        ("group-id", settings.QUARANTINE_GROUPS),
        ("tag-key", [QUARANTINE_TAG]),
    ):
        if values and not candidates:
            filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": name, "Values": values}]
            candidates = ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    if not candidates:
        raise ContainmentError(
            f"{vpc} has no quarantine group. Create a security group without rules in it, with the"
            f" tag {QUARANTINE_TAG}, or name one in QUARANTINE_GROUPS.",
            prevented=True,
        )
    group = min(candidates, key=lambda one: str(one["GroupId"]))
    if not all(map(_leads_nowhere, [*group["IpPermissions"], *group["IpPermissionsEgress"]])):
        raise ContainmentError(
            f"The quarantine group {group['GroupId']} has rules, so it would not stop all traffic."
            " Remove them.",
            prevented=True,
        )
    return str(group["GroupId"])


def _leads_nowhere(rule: Any) -> bool:
    ranges = {one["CidrIp"] for one in rule.get("IpRanges", [])}
    ranges |= {one["CidrIpv6"] for one in rule.get("Ipv6Ranges", [])}
    others = rule.get("UserIdGroupPairs") or rule.get("PrefixListIds")
    return not others and ranges <= _NOWHERE


def _groups_of(ec2: Any, which: str) -> list[str] | None:
    """Returns the IDs of the groups of a network interface, in order; None if it is gone."""
    try:
        answer = ec2.describe_network_interfaces(NetworkInterfaceIds=[which])
    except ClientError as error:
        if error.response["Error"]["Code"] == "InvalidNetworkInterfaceID.NotFound":
            return None
        raise
    (interface,) = answer["NetworkInterfaces"]
    return sorted(one["GroupId"] for one in interface["Groups"])
