"""Converts GuardDuty findings from Security Hub's format (ASFF) to GuardDuty's own.

Security Hub flattens the finding into ProductFields and changes the format of the type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from findings.guardduty.lenient_json import each, field, text_in

_PREFIX = "aws/guardduty/"
_MAX_SEGMENTS = 16
_MAX_INDEX = 50  # Security Hub keeps at most 50 fields. An index makes all items before it
_item = re.compile(r"(?P<name>.+)\.(?P<index>\d{1,3})_")  # "portProbeDetails.0_"

_KEY_PREFIX = "AWS::IAM::AccessKey:"
_access_key = re.compile(r"(?:AKIA|ASIA)[A-Z0-9]{4,124}")

# The types in Security Hub: docs.aws.amazon.com/guardduty/latest/ug/securityhub-integration.html
_type = re.compile(r"(?P<purpose>[A-Za-z0-9]+):(?P<resource>[A-Za-z0-9]+)-(?P<family>[^/]+)")
_type_without_purpose = re.compile(r"(?P<resource>[A-Za-z0-9]+)-(?P<family>[^/:]+)")
_ODD_TYPES = {
    "EC2:Unusual-DNS-Resolver": "DefenseEvasion:EC2/UnusualDNSResolver",
    "EC2:Unusual-DoH-Activity": "DefenseEvasion:EC2/UnusualDoHActivity",
    "EC2:Unusual-DoT-Activity": "DefenseEvasion:EC2/UnusualDoTActivity",
}


def is_security_hub(document: Mapping[str, Any]) -> bool:
    """Returns whether the document is a finding in Security Hub's format."""
    return not isinstance(field(document, "type"), str) and (
        isinstance(field(document, "productFields"), Mapping)
        or isinstance(field(document, "productArn"), str)
    )


def is_guardduty(finding: Mapping[str, Any]) -> bool:
    """Returns whether a Security Hub finding comes from GuardDuty; True if it names no product."""
    arn = field(finding, "productArn")
    return not isinstance(arn, str) or arn.endswith("/aws/guardduty")


def from_security_hub(finding: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the Security Hub finding in GuardDuty's format.

    Its resources are in `resources`, as in an attack sequence.
    """
    said = unflattened(field(finding, "productFields"))
    service = said.get("service")
    service = dict(service) if isinstance(service, Mapping) else {}
    for key, twin in (
        ("action", "action"),
        ("detection", "detection"),
        ("eventFirstSeen", "firstObservedAt"),
        ("eventLastSeen", "lastObservedAt"),
    ):
        if key not in service:
            service[key] = field(finding, twin)
    identity = field(finding, "id")
    return {
        "id": identity.rpartition("/finding/")[2] if isinstance(identity, str) else identity,
        "type": field(said, "type") or type_in(field(finding, "types")),
        "accountId": field(finding, "awsAccountId"),
        "region": field(finding, "region"),
        "severity": _severity_in(field(finding, "severity")),
        "title": field(finding, "title"),
        "description": field(finding, "description"),
        "sample": field(finding, "sample"),
        "stateInSecurityHub": _state_in(finding),
        "service": service,
        "resource": {
            "accessKeyDetails": list(_access_keys_in(finding)),
            "instanceDetails": list(_instances_in(finding)),
        },
        "resources": [
            {
                "resourceType": field(resource, "type"),
                "uid": field(resource, "id"),
                "details": field(resource, "details"),
                "tags": field(resource, "tags"),
            }
            for resource in each(field(finding, "resources"))
        ],
        "arn": identity,
        "createdAt": field(finding, "createdAt"),
        "updatedAt": field(finding, "updatedAt"),
    }


def unflattened(fields: Any) -> dict[str, Any]:
    """Converts {"aws/guardduty/service/count": "7"} to {"service": {"count": "7"}}.

    Security Lake writes "ProductFields.aws/guardduty/service/count".
    """
    root: dict[str, Any] = {}
    for key, value in fields.items() if isinstance(fields, Mapping) else ():
        if not isinstance(key, str):
            continue
        key = key.removeprefix("ProductFields.").removeprefix("product_fields.")
        if not key.startswith(_PREFIX):
            continue
        *folders, name = key.removeprefix(_PREFIX).split("/")
        if len(folders) > _MAX_SEGMENTS:
            continue
        node: Any = root
        for folder in folders:
            node = _inside(node, folder)
        if isinstance(node, dict):
            node.setdefault(name, value)
    return root


def _inside(node: Any, folder: str) -> Any:
    if not isinstance(node, dict):
        return None  # conflicting keys: one makes it a value, another an object
    item = _item.fullmatch(folder)
    if item is None:
        return node.setdefault(folder, {})
    items = node.setdefault(item["name"], [])
    index = int(item["index"])
    if not isinstance(items, list) or index > _MAX_INDEX:
        return None
    items.extend({} for _ in range(len(items), index + 1))
    return items[index]


def type_in(types: Any) -> Any:
    """Returns GuardDuty's type from "TTPs/Initial Access/UnauthorizedAccess:EC2-SSHBruteForce"."""
    first = types[0] if isinstance(types, list | tuple) and types else types
    if not isinstance(first, str):
        return None
    segments = first.split("/")
    start = next((at for at, segment in enumerate(segments) if ":" in segment), None)
    if start is None:
        last = _type_without_purpose.fullmatch(segments[-1])
        if last is None or len(segments) < 2:
            return first
        purpose = segments[-2].replace(" ", "")  # "TTPs/Credential Access/IAMUser-Anomalous..."
        return f"{purpose}:{last['resource']}/{last['family']}"
    name = "/".join(segments[start:])
    if name in _ODD_TYPES:
        return _ODD_TYPES[name]
    parts = _type.fullmatch(name)
    if parts is None:
        return name
    anomalous = "AnomalousBehavior." if segments[start - 1 : start] == ["AnomalousBehavior"] else ""
    return f"{parts['purpose']}:{parts['resource']}/{anomalous}{parts['family']}"


def _severity_in(severity: Any) -> Any:
    """Returns GuardDuty's severity, or a tenth of Security Hub's, which goes from 0 to 100."""
    product = field(severity, "product")
    normalized = field(severity, "normalized")
    if product is None and isinstance(normalized, int | float) and 0 <= normalized <= 100:
        return normalized / 10 if not isinstance(normalized, bool) else None
    return product


def _state_in(finding: Mapping[str, Any]) -> Any:
    """Returns "ARCHIVED" or "SUPPRESSED" if the finding is so, else None."""
    states = (
        field(finding, "recordState"),
        field(finding, "workflow", "status"),
        field(finding, "workflowState"),  # deprecated by AWS, and still sent
    )
    return next((state for state in states if state in ("ARCHIVED", "SUPPRESSED")), None)


def _access_keys_in(finding: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yields the access keys of the actor in GuardDuty's format.

    An attack sequence names its actors itself.
    """
    if isinstance(field(finding, "detection", "sequence"), Mapping):
        return
    for resource in each(field(finding, "resources")):
        details = field(resource, "details", "awsIamAccessKey")
        key = field(details, "accessKeyId") or _access_key_in(resource)
        if isinstance(details, Mapping) or key:
            yield {
                "accessKeyId": key,
                "principalId": field(details, "principalId"),
                "userName": field(details, "principalName") or field(details, "userName"),
                "userType": field(details, "principalType"),
            }


def _instances_in(finding: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yields the instances in GuardDuty's format, with their addresses."""
    for resource in each(field(finding, "resources")):
        if field(resource, "type") != "AwsEc2Instance":
            continue
        details = field(resource, "details", "awsEc2Instance")
        addresses = field(details, "ipV4Addresses")
        uid = text_in(field(resource, "id"), 512)
        yield {
            "instanceId": uid.rpartition("/")[2],
            "networkInterfaces": [
                {
                    "ipv6Addresses": field(details, "ipV6Addresses"),
                    "privateIpAddresses": [
                        {"privateIpAddress": address}
                        for address in (addresses if isinstance(addresses, list) else ())
                    ],
                }
            ],
        }


def _access_key_in(resource: Mapping[str, Any]) -> str:
    """Returns the key in a resource's ID: "AWS::IAM::AccessKey:AKIA...", or only the key.

    Some IDs are the ARN of the key's user instead.
    """
    uid = text_in(field(resource, "id"), 512)
    if uid.startswith(_KEY_PREFIX):
        return uid.removeprefix(_KEY_PREFIX)
    return uid if _access_key.fullmatch(uid) else ""
