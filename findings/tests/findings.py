"""Findings for tests, in GuardDuty's format."""

from __future__ import annotations

from typing import Any

BRUTE_FORCE = "UnauthorizedAccess:EC2/SSHBruteForce"


def finding(number: int = 1, **members: Any) -> dict[str, Any]:
    """Returns a brute force finding with its own actor address; `service` extends its service."""
    service = {
        "count": 1,
        "eventFirstSeen": "2026-11-23T10:00:00Z",
        "eventLastSeen": "2026-11-23T11:00:00Z",
        "action": {
            "actionType": "NETWORK_CONNECTION",
            "networkConnectionAction": {
                "remoteIpDetails": {
                    "ipAddressV4": f"198.51.100.{number % 256}",
                    "country": {"countryName": "Italy"},
                }
            },
        },
    } | members.pop("service", {})
    return {
        "accountId": "123456789012",
        "region": "eu-central-1",
        "id": f"{number:032x}",
        "type": BRUTE_FORCE,
        "severity": 8,
        "title": "Somebody tries passwords",
        "description": "An instance is under attack.",
        "resource": {"instanceDetails": {"instanceId": "i-0123456789abcdef0"}},
        "service": service,
    } | members
