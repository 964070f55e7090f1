"""Which changes of the settings of a bucket disarm or open it. Pure: no Django, no clock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from detectors.records import Change
from detectors.rules import DAY, FindingType, Signal

SHORT_EXPIRY = 7  # days


def signal_of(made: Change) -> Signal | None:
    """Returns the signal of a change that disarms a bucket or opens it to others."""
    try:
        said = json.loads(made.parameters)
    except (ValueError, TypeError, RecursionError):
        said = {}
    finding_type, sign = _sign_of(made, said)
    if not sign:
        return None
    return Signal(finding_type, 8.0, made.at, made.at, sign, "changes", 1, 0, 1, 0)


def _sign_of(made: Change, said: Any) -> tuple[FindingType, str]:
    name = made.name
    if name == "PutBucketVersioning" and "Suspended" in _values(said, "Status"):
        return FindingType.DELETE, "Versioning was suspended."
    if name.startswith("PutBucketLifecycle") and _expires_soon(said, made.at):
        return FindingType.DELETE, f"A rule expires objects within {SHORT_EXPIRY} days."
    if name == "PutBucketPolicy" and _opens(said, made.bucket_account):
        return FindingType.EXFILTRATION, "The policy of the bucket was opened to another account."
    if name == "PutBucketReplication" and any(
        account != made.bucket_account for account in _values(said, "Account")
    ):
        return FindingType.EXFILTRATION, "The bucket is replicated to another account."
    if name == "PutBucketAcl" and (
        "AllUsers" in made.parameters
        or "AuthenticatedUsers" in made.parameters
        or any(
            str(acl).startswith(("public-", "authenticated-")) for acl in _values(said, "x-amz-acl")
        )
    ):
        return FindingType.EXFILTRATION, "The bucket was opened to everyone by an ACL."
    if name == "PutBucketEncryption" and any(
        _is_foreign_key(key, made.bucket_account) for key in _values(said, "KMSMasterKeyID")
    ):
        return FindingType.WRITE, "New objects are encrypted with a KMS key of another account."
    return FindingType.DELETE, ""


def _values(said: Any, key: str, depth: int = 12) -> list[Any]:
    """Returns each value of the key, at any depth, that is neither an object nor a list."""
    found: list[Any] = []
    if depth == 0:
        return found
    if isinstance(said, Mapping):
        for name, value in said.items():
            inner = value if isinstance(value, list) else [value]
            if name == key:
                found += [one for one in inner if not isinstance(one, Mapping | list)]
            found += _values(value, key, depth - 1)
    elif isinstance(said, list):
        for one in said:
            found += _values(one, key, depth - 1)
    return found


def _expires_soon(said: Any, at: int) -> bool:
    for key in ("Expiration", "NoncurrentVersionExpiration"):
        for rule in _objects(said, key):
            days = [*_values(rule, "Days"), *_values(rule, "NoncurrentDays")]
            days += [(_seconds(date) - at) / DAY for date in _values(rule, "Date")]
            if any(_number(day) <= SHORT_EXPIRY for day in days):
                return True
    return False


def _objects(said: Any, key: str, depth: int = 12) -> list[Mapping[str, Any]]:
    """Returns each object that is the value of the key, at any depth."""
    if depth == 0:
        return []
    found: list[Mapping[str, Any]] = []
    if isinstance(said, Mapping):
        for name, value in said.items():
            if name == key:
                found += [
                    one
                    for one in (value if isinstance(value, list) else [value])
                    if isinstance(one, Mapping)
                ]
            found += _objects(value, key, depth - 1)
    elif isinstance(said, list):
        for one in said:
            found += _objects(one, key, depth - 1)
    return found


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return float("inf")


def _seconds(date: Any) -> float:
    try:
        return datetime.fromisoformat(str(date)[:10]).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return float("inf")


def _opens(said: Any, own: str) -> bool:
    """Whether a policy allows something to everyone, or to a principal of another account."""
    policy = said.get("bucketPolicy") if isinstance(said, Mapping) else None
    if isinstance(policy, str):
        try:
            policy = json.loads(policy)
        except (ValueError, RecursionError):
            return False
    statements = policy.get("Statement") if isinstance(policy, Mapping) else None
    for one in statements if isinstance(statements, list) else [statements]:
        if not isinstance(one, Mapping) or one.get("Effect") != "Allow":
            continue
        if "NotPrincipal" in one:
            return True
        principal = one.get("Principal")
        named = principal.get("AWS") if isinstance(principal, Mapping) else principal
        for who in named if isinstance(named, list) else [named]:
            if isinstance(who, str) and _is_foreign(who, own):
                return True
    return False


def _is_foreign(who: str, own: str) -> bool:
    if who == "*":
        return True
    account = who.split(":")[4] if who.startswith("arn:") and who.count(":") >= 5 else who
    return account.isascii() and account.isdigit() and account != own


def _is_foreign_key(key: Any, own: str) -> bool:
    parts = str(key).split(":")
    return parts[0] == "arn" and len(parts) > 5 and parts[4] != own
