"""Builds sample findings in GuardDuty's format. Pure: no Django, no clock."""

from __future__ import annotations

import ipaddress
from datetime import datetime
from typing import Any

from storage.instants import iso

# Public addresses, so containment rules apply, but unassigned: RFC 7526 deprecated this network.
ADDRESSES = ipaddress.IPv4Network("192.88.99.0/24")

_SCORES = {"LOW": 2.0, "MEDIUM": 5.0, "HIGH": 8.0, "CRITICAL": 9.5}  # GuardDuty's severity

# The affected resource by the service of the finding type; an instance for all other services.
_RESOURCES: dict[str, dict[str, Any]] = {
    "S3": {"s3BucketDetails": [{"name": "sample-bucket"}]},
    "Kubernetes": {"eksClusterDetails": {"name": "sample-cluster"}},
    "EKS": {"eksClusterDetails": {"name": "sample-cluster"}},
    "ECS": {"ecsClusterDetails": {"name": "sample-cluster"}},
    "Lambda": {"lambdaDetails": {"functionName": "sample-function"}},
    "RDS": {"rdsDbInstanceDetails": {"dbInstanceIdentifier": "sample-database"}},
    "IAM": {},
    "IAMUser": {},
}
_INSTANCE = {"instanceDetails": {"instanceId": "i-99999999"}}
# AWS's example names.
_USER = {
    "userType": "IAMUser",
    "userName": "sample-user",
    "principalId": "AIDACKCEVSQ6C2EXAMPLE",
    "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
}
_ROLE = {
    "userType": "AssumedRole",
    "userName": "sample-role",
    "principalId": "AROADBQP57FF2AEXAMPLE:i-99999999",
    "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
}


def sample_finding(
    finding_type: str,
    *,
    severity: str,
    address: str,
    finding_id: str,
    account_id: str,
    region: str = "us-east-1",
    has_credential: bool,
    at: datetime,
) -> dict[str, Any]:
    """Returns a GuardDuty finding of this type, marked as a sample.

    The actor is the IPv4 or IPv6 `address`. With `has_credential`, the actor is also a user, or an
    instance role for types of credential exfiltration. Raises KeyError for an unknown `severity`
    and ValueError for an invalid address.
    """
    version = ipaddress.ip_address(address).version
    remote = {"remoteIpDetails": {f"ipAddressV{version}": address}}
    seen_at = iso(at)
    resource = dict(_RESOURCES.get(finding_type.partition(":")[2].partition("/")[0], _INSTANCE))
    action: dict[str, Any] = {
        "actionType": "NETWORK_CONNECTION",
        "networkConnectionAction": {"connectionDirection": "INBOUND", **remote},
    }
    if has_credential:
        resource["accessKeyDetails"] = _ROLE if "CredentialExfil" in finding_type else _USER
        action = {"actionType": "AWS_API_CALL", "awsApiCallAction": remote}
    return {
        "schemaVersion": "2.0",
        "accountId": account_id,
        "region": region,
        "partition": "aws",
        "id": finding_id,
        "type": finding_type,
        "severity": _SCORES[severity],
        "title": f"Sample of {finding_type}",
        "description": "A sample finding for testing. Nothing happened.",
        "createdAt": seen_at,
        "updatedAt": seen_at,
        "resource": resource,
        "service": {
            "serviceName": "guardduty",
            "resourceRole": "TARGET",
            "action": action,
            "additionalInfo": {"sample": True},
            "eventFirstSeen": seen_at,
            "eventLastSeen": seen_at,
            "count": 1,
        },
    }
