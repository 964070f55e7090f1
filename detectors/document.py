"""Our own findings as JSON, in GuardDuty's format (docs/findings.md). Pure: no Django, no clock."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from detectors.rules import FindingType

_TITLES = {
    FindingType.EXFILTRATION: "{who} reads unusually much from the bucket {bucket}.",
    FindingType.WRITE: "{who} overwrites objects of the bucket {bucket}.",
    FindingType.DELETE: "{who} deletes objects of the bucket {bucket}.",
    FindingType.ENUMERATION: "{who} lists the bucket {bucket}.",
    FindingType.UNAUTHORIZED_USE: "{who} uses the bucket {bucket} in an unexpected way.",
}
_TITLE_OF_CHANGES = "{who} weakened the settings of the bucket {bucket}."


class Who(NamedTuple):
    """The actor. Missing values are ""."""

    principal: str
    principal_type: str = ""
    principal_id: str = ""
    name: str = ""
    account_id: str = ""
    access_key: str = ""
    address: str = ""
    user_agent: str = ""


class Evidence(NamedTuple):
    """What was counted."""

    signs: Sequence[str]
    words: str
    amount: float
    baseline: float
    threshold: float
    window: int  # seconds
    examples: Sequence[str]


def finding(
    *,
    finding_id: str,
    finding_type: str,
    severity: float,
    bucket: str,
    account_id: str,
    region: str,
    who: Who,
    evidence: Evidence,
    count: int,
    first_at: int,
    last_at: int,
) -> dict[str, Any]:
    """Returns the finding. `account_id` and `region` are those of the bucket."""
    named = _shown(who.principal)
    is_change = evidence.words == "changes"
    title = _TITLE_OF_CHANGES if is_change else _TITLES[FindingType(finding_type)]
    title = title.format(who=named, bucket=bucket)
    return {
        "schemaVersion": "2.0",
        "accountId": account_id,
        "region": region,
        "partition": "aws",
        "id": finding_id,
        "type": finding_type,
        "severity": severity,
        "title": title,
        "description": " ".join([title, *evidence.signs]),
        "createdAt": _iso(first_at),
        "updatedAt": _iso(last_at),
        "resource": {
            "resourceType": "S3Bucket",
            "s3BucketDetails": [{"name": bucket, "arn": f"arn:aws:s3:::{bucket}"}],
            "accessKeyDetails": _credential(who, account_id),
        },
        "service": {
            "serviceName": "threatreaction",
            "resourceRole": "TARGET",
            "eventFirstSeen": _iso(first_at),
            "eventLastSeen": _iso(last_at),
            "count": count,
            "action": {
                "actionType": "AWS_API_CALL",
                "awsApiCallAction": {
                    "serviceName": "s3.amazonaws.com",
                    "userAgent": who.user_agent,
                    "remoteIpDetails": _remote(who.address),
                },
            },
            "detector": {
                "principal": who.principal,
                "accountOfThePrincipal": who.account_id,
                "counted": evidence.words,
                "amount": round(evidence.amount),
                "baseline": round(evidence.baseline),
                "threshold": round(evidence.threshold),
                "windowInSeconds": evidence.window,
                "signs": list(evidence.signs),
                "exampleKeys": list(evidence.examples),
            },
        },
    }


def _shown(principal: str) -> str:
    """Returns the short name of a principal: "role/app" for its ARN."""
    return principal.split(":", 5)[5] if principal.count(":") >= 5 else principal


def _credential(who: Who, account_id: str) -> dict[str, str]:
    """Returns who acted. Without names if it is of another account, which chooses its names.

    REVOKE acts in the account of the finding, and must not meet a namesake there.
    """
    if who.account_id != account_id:
        return {"userType": "AWSAccount", "principalId": who.principal_id}
    return {
        "userType": who.principal_type,
        "userName": who.name,
        "principalId": who.principal_id,
        "accessKeyId": who.access_key,
    }


def _remote(address: str) -> dict[str, str]:
    try:
        return {f"ipAddressV{ipaddress.ip_address(address).version}": address}
    except ValueError:
        return {}  # the host name of a service


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
