"""Groups the facts about each affected resource of AWS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from findings.guardduty.facts import Group, all_of, fact, group, text_of, told, words_of
from findings.guardduty.lenient_json import each, field, items_of

# The field of `resource`, its title, and the field with its name.
_TITLES = {
    "instanceDetails": ("Instance", "instanceId"),
    "accessKeyDetails": ("Credential", "accessKeyId"),
    "s3BucketDetails": ("Bucket", "name"),
    "eksClusterDetails": ("EKS cluster", "name"),
    "ecsClusterDetails": ("ECS cluster", "name"),
    "lambdaDetails": ("Function", "functionName"),
    "rdsDbInstanceDetails": ("Database", "dbInstanceIdentifier"),
    "rdsLimitlessDbDetails": ("Limitless database", "dbShardGroupIdentifier"),
    "rdsDbUserDetails": ("Database user", "user"),
    "ebsVolumeDetails": ("Volumes", ""),
    "ebsSnapshotDetails": ("Snapshot", ""),
    "ec2ImageDetails": ("Image", ""),
    "recoveryPointDetails": ("Recovery point", ""),
    "bedrockGuardrailDetails": ("Bedrock guardrail", ""),
    "modelDetails": ("Model", "modelId"),
}
_OWN_GROUPS = {"resourceType", "kubernetesDetails", "containerDetails"}


def groups(finding: Mapping[str, Any]) -> Iterator[Group]:
    """Yields each affected resource of AWS with its network interfaces and objects."""
    listed = list(each(field(finding, "resources")))  # in Security Hub's formats
    for key, value in items_of(field(finding, "resource")):
        key = key[:1].lower() + key[1:]
        if key in _OWN_GROUPS or (key == "instanceDetails" and listed):
            continue
        title, name = _TITLES.get(key, (words_of(key).removesuffix(" details"), ""))
        for one in each(value):
            named = text_of(field(one, name)) if name else ""
            yield group(
                f"{title} {named}".rstrip(),
                all_of(
                    one,
                    skip=("networkInterfaces", "taskDetails", "s3ObjectDetails", "publicAccess"),
                ),
                fact("Public access", field(one, "publicAccess", "effectivePermission")),
            )
            permissions = field(one, "publicAccess", "permissionConfiguration")
            yield group(
                f"Public access of {named}",
                all_of(field(permissions, "bucketLevelPermissions")),
                all_of(field(permissions, "accountLevelPermissions"), label="Account"),
                is_minor=True,
            )
            for interface in each(field(one, "networkInterfaces")):
                uid = text_of(field(interface, "networkInterfaceId"))
                yield group(f"Network interface {uid}".rstrip(), all_of(interface), is_minor=True)
            for number, stored in enumerate(each(field(one, "s3ObjectDetails")), start=1):
                yield group(f"Object {number}", all_of(stored))
    for one in listed:
        kind = text_of(field(one, "resourceType")) or "Resource"
        yield group(
            kind,
            told(one, {"ID": "uid", "Name": "name"}),
            *(
                all_of(details)
                for key, details in items_of(field(one, "details"))
                if isinstance(details, Mapping)
            ),
            all_of(
                {
                    key: details
                    for key, details in items_of(field(one, "details"))
                    if not isinstance(details, Mapping)
                }
            ),
            all_of(field(one, "tags"), label="Tags"),
        )
