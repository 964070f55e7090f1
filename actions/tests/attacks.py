"""Findings that lead to actions, and the policy that requires the actions."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import time_machine
from botocore.exceptions import ClientError
from django.contrib.auth.models import User
from django.utils import timezone

from accounts.api_auth import Caller
from actions import ingest
from actions import undo as undoing
from actions.models import WITH_AN_END, Reaction
from findings import policy
from findings.ingest import IngestResult
from findings.models import Finding, PolicyChange, Target
from findings.policy import Setting
from findings.tests.findings import BRUTE_FORCE, finding
from tests.aws import REGION, Cloud

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BOB = "arn:aws:iam::123456789012:user/bob"
EMPTIED = "ThreatReaction:Ransomware/Delete"
STOLEN = "UnauthorizedAccess:IAMUser/ConsoleLoginSuccess.B"


def set_action(action: str, *, finding_type: str = BRUTE_FORCE, severity: str = "") -> None:
    policy.set_policies(
        [Setting(Target("", finding_type, severity), action)],
        by=Caller(name="oscar", client_id="c1"),
        source=PolicyChange.Source.API,
        at=NOW,
    )


def attack(number: int = 1, *addresses: str, **members: Any) -> dict[str, Any]:
    """Returns a brute force finding whose actors have public addresses, and attack over HTTPS."""
    port = members.pop("port", 443)
    probes = [
        {
            "remoteIpDetails": {"ipAddressV6" if ":" in one else "ipAddressV4": one},
            "localPortDetails": {"port": port},
        }
        for one in addresses or [f"81.2.{number // 250}.{number % 250 + 1}"]
    ]
    action = {"actionType": "PORT_PROBE", "portProbeAction": {"portProbeDetails": probes}}
    service = {"action": action} | members.pop("service", {})
    return finding(number, service=service, **members)


def stolen(key: str, *, number: int = 1, name: str = "bob", kind: str = "IAMUser") -> Any:
    """Returns a finding about a credential."""
    details = {"accessKeyId": key, "userName": name, "userType": kind, "principalId": "AIDA"}
    resource = {"resourceType": "AccessKey", "accessKeyDetails": details}
    return attack(number, type=STOLEN, resource=resource)


def emptied(
    cloud: Cloud, number: int = 20, *, principal: str = BOB, name: str = "bob"
) -> dict[str, Any]:
    """Creates the bucket "invoices", and returns a finding of our detectors: bob empties it."""
    place = {"LocationConstraint": REGION}
    with suppress(ClientError):
        cloud.client("s3").create_bucket(Bucket="invoices", CreateBucketConfiguration=place)
    resource = {
        "resourceType": "S3Bucket",
        "s3BucketDetails": [{"name": "invoices", "arn": "arn:aws:s3:::invoices"}],
        "accessKeyDetails": {"userType": "IAMUser", "userName": name, "principalId": "AIDABOB"},
    }
    service = {
        "action": {"actionType": "AWS_API_CALL", "awsApiCallAction": {}},
        "detector": {"principal": principal},
    }
    return finding(number, type=EMPTIED, service=service, resource=resource)


def undo(reaction: Reaction, by: User) -> Reaction | None:
    """Requests the undo of a containment, as an operator does."""
    caller = Caller(name=by.get_username(), user=by)
    return undoing.undo(reaction, why="Requested: a test", by=caller, at=timezone.now())


def arrive(*findings: Any) -> IngestResult:
    return ingest.ingest(findings, at=timezone.now())


def later(**by: float) -> time_machine.travel:
    """Travels so many seconds, minutes or hours ahead of now."""
    return time_machine.travel(timezone.now() + timedelta(**by))


def of_an_earlier_version(topic: str) -> None:
    """Adds the notice of the only finding, as versions did that had no rules for notifications."""
    now = timezone.now()
    Reaction.objects.create(
        finding=Finding.objects.get(),
        kind="NOTIFY",
        target_kind="topic",
        target=topic,
        why="BLOCK is set.",
        state="pending",
        decided_at=now,
        due_at=now,
    )


def states() -> list[str]:
    """Returns the states of all actions, oldest first."""
    return list(Reaction.objects.order_by("pk").values_list("state", flat=True))


def end_in_days() -> float | None:
    """Returns how many days the newest block or denial lasts."""
    block = Reaction.objects.filter(kind__in=WITH_AN_END).latest("pk")
    return (block.ends_at - block.decided_at) / timedelta(days=1) if block.ends_at else None
