"""Takes log files with records, and tells what was counted and found."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Sum as SumOf

from detectors import counting, intake
from detectors.models import Actor, Bucket, Sum
from detectors.tests.traffic import ACCOUNT, NOW, packed, reader, record, seconds
from findings.models import Finding

EXFILTRATION = "ThreatReaction:S3Data/Exfiltration"
WRITE = "ThreatReaction:Ransomware/Write"
DELETE = "ThreatReaction:Ransomware/Delete"
UNAUTHORIZED = "ThreatReaction:IAMCredential/UnauthorizedUse"
ENUMERATION = "ThreatReaction:Ransomware/Enumeration"
EVE = f"arn:aws:iam::{ACCOUNT}:user/eve"


def take(*some: Any, name: str = "", at: datetime = NOW) -> intake.Taken:
    """Takes a log file with the records."""
    content = packed(some)
    return intake.take_file(name or str(hash(content)), reader(content), at=at)


def many(count: int, name: str = "GetObject", **members: Any) -> list[Any]:
    return [record(name, **members) for _ in range(count)]


def total() -> dict[str, int]:
    return {
        row["operation"]: row["n"]
        for row in Sum.objects.values("operation").annotate(n=SumOf("count"))
    }


def found() -> list[str]:
    return sorted(Finding.objects.values_list("finding_type", flat=True))


def history(of: Bucket, per_hour: int, hours: Iterable[int], *, by: Any = None) -> None:
    """What an actor read in earlier hours, in hours before NOW."""
    take(record(by=by, at=NOW - timedelta(hours=20)))
    actor = Actor.objects.get(bucket=of)
    Actor.objects.update(first_at=seconds(NOW) - 14 * 86400)
    counting.upsert(
        (actor.pk, 3600, seconds(NOW) - ago * 3600, "read", per_hour, 0, 0, 0, per_hour // 10,
         per_hour // 4)
        for ago in hours
    )  # fmt: skip
