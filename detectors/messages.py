"""What a message of the events queue names. Pure: no Django, no clock."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

# [prefix/]AWSLogs/[o-organization/]ACCOUNT/CloudTrail/REGION/2026/11/25/ACCOUNT_CloudTrail_....gz
_log_file = re.compile(
    r"(?:.*/)?AWSLogs/(?:o-[a-z0-9]{1,64}/)?[0-9]{12}/CloudTrail/[a-z0-9-]{1,32}"
    r"/[0-9]{4}/[0-9]{2}/[0-9]{2}/[0-9]{12}_CloudTrail_[^/]{1,200}\.json\.gz"
)
_KEY_MAX_LENGTH = 1024  # of S3
_DEPTH = 4  # of envelopes: EventBridge in SNS in SNS ...


class Poison(Exception):
    """A message that can never be read. The text contains nothing from the message."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """A log file of CloudTrail in S3."""

    bucket: str
    key: str


@dataclass(slots=True)
class Named:
    """What one message names."""

    files: list[LogFile] = field(default_factory=list)
    records: list[Mapping[str, Any]] = field(default_factory=list)  # of CloudTrail
    skipped: int = 0  # other objects, such as digest files, and other events


def read(body: str) -> Named:
    """Returns what the message names. Raises Poison if it is no notification at all.

    Reads notifications of S3, also in SNS, "Object Created" of EventBridge, notifications of
    CloudTrail itself, and single records that EventBridge delivers.
    """
    named = Named()
    for document in _documents(body, _DEPTH):
        _add(document, named)
    return named


def _documents(text: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    try:
        document = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        raise Poison("It is not JSON.") from None
    if not isinstance(document, dict):
        raise Poison("It is not an object.")
    if document.get("Type") == "Notification" and isinstance(document.get("Message"), str):
        if depth == 0:
            raise Poison("Its envelopes are too deep.")
        yield from _documents(document["Message"], depth - 1)
    else:
        yield document


def _add(document: Mapping[str, Any], named: Named) -> None:
    detail = document.get("detail")
    if isinstance(detail, dict):
        if "eventName" in detail and "userIdentity" in detail:
            named.records.append(detail)
        elif document.get("detail-type") == "Object Created":
            # EventBridge does not encode the key.
            _add_file(detail.get("bucket"), detail.get("object"), named, is_encoded=False)
        else:
            named.skipped += 1
    elif isinstance(document.get("Records"), list):
        for record in document["Records"]:
            s3 = record.get("s3") if isinstance(record, dict) else None
            if isinstance(s3, dict) and str(record.get("eventName")).startswith("ObjectCreated:"):
                _add_file(s3.get("bucket"), s3.get("object"), named, is_encoded=True)
            else:
                named.skipped += 1
    elif isinstance(document.get("s3ObjectKey"), list):  # the notification of CloudTrail
        for key in document["s3ObjectKey"]:
            bucket = {"name": document.get("s3Bucket")}
            _add_file(bucket, {"key": key}, named, is_encoded=False)
    elif document.get("Event") == "s3:TestEvent":
        named.skipped += 1
    else:
        raise Poison("It is no notification of S3, SNS, EventBridge or CloudTrail.")


def _add_file(bucket: Any, of: Any, named: Named, *, is_encoded: bool) -> None:
    name = bucket.get("name") if isinstance(bucket, dict) else None
    key = of.get("key") if isinstance(of, dict) else None
    if not isinstance(name, str) or not isinstance(key, str) or not name or "\0" in name + key:
        raise Poison("It names no object.")
    key = unquote_plus(key) if is_encoded else key
    if len(key) <= _KEY_MAX_LENGTH and _log_file.fullmatch(key):
        named.files.append(LogFile(name, key))
    else:
        named.skipped += 1
