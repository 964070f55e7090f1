"""Records of CloudTrail for tests, and files of them."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import random
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from detectors.models import Bucket

ACCOUNT = "123456789012"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
_numbers = itertools.count(1)


def seconds(at: datetime) -> int:
    return int(at.timestamp())


def bucket(name: str = "invoices", **members: Any) -> Bucket:
    """Registers a bucket whose learning period is over, unless said otherwise."""
    return Bucket.objects.create(
        name=name,
        **{
            "registered_at": NOW,
            "first_event_at": seconds(NOW) - 20 * 86400,
            "last_event_at": seconds(NOW) - 86400,
        }
        | members,
    )


def user(name: str = "eve", *, key: str = "AKIAEVE", account: str = ACCOUNT) -> dict[str, Any]:
    return {
        "type": "IAMUser",
        "principalId": f"AIDA{name.upper()}",
        "arn": f"arn:aws:iam::{account}:user/{name}",
        "accountId": account,
        "accessKeyId": key,
        "userName": name,
    }


def role(name: str = "app", *, session: str = "i-0123456789abcdef0") -> dict[str, Any]:
    return {
        "type": "AssumedRole",
        "principalId": f"AROA{name.upper()}:{session}",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}",
        "accountId": ACCOUNT,
        "accessKeyId": f"ASIA{name.upper()}",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "arn": f"arn:aws:iam::{ACCOUNT}:role/{name}",
                "userName": name,
            }
        },
    }


def record(
    name: str = "GetObject",
    *,
    at: datetime | int = NOW,
    bucket: str = "invoices",
    key: str = "",
    by: Any = None,
    address: str = "81.2.69.142",
    parameters: dict[str, Any] | None = None,
    event_id: str = "",
    size: int = 0,
    **members: Any,
) -> dict[str, Any]:
    """Returns a record in the form of CloudTrail."""
    number = next(_numbers)
    at = at if isinstance(at, int) else seconds(at)
    way = "Out" if name.startswith("Get") else "In"
    return {
        "eventVersion": "1.11",
        "userIdentity": user() if by is None else by,
        "eventTime": f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": "s3.amazonaws.com",
        "eventName": name,
        "awsRegion": "eu-central-1",
        "sourceIPAddress": address,
        "userAgent": "[aws-cli/2.31]",
        "requestParameters": {
            "bucketName": bucket,
            "key": key or f"2026/{number:06}.pdf",
        }
        | (parameters or {}),
        "responseElements": None,
        "additionalEventData": {f"bytesTransferred{way}": size},
        "eventID": event_id or str(uuid.UUID(int=random.Random(number).getrandbits(128))),  # noqa: S311
        "resources": [
            {"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{bucket}/{key or 'x'}"},
            {"type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}", "accountId": ACCOUNT},
        ],
        "eventType": "AwsApiCall",
        "managementEvent": False,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Data",
    } | members


def packed(records: Iterable[Any]) -> bytes:
    """Returns a log file as CloudTrail writes it."""
    return gzip.compress(
        json.dumps({"Records": list(records)}, separators=(",", ":")).encode(), mtime=0
    )


def reader(content: bytes) -> Callable[[int], bytes]:
    return io.BytesIO(content).read


def file_key(number: int = 1) -> str:
    return (
        f"AWSLogs/{ACCOUNT}/CloudTrail/eu-central-1/2026/11/23/"
        f"{ACCOUNT}_CloudTrail_eu-central-1_20261123T1200Z_{number:016}.json.gz"
    )
