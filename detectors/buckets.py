"""Registers, changes and removes buckets, and logs it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.api_auth import Caller
from detectors.models import SERVICE, TAG, Bucket, BucketChange, Sensitivity
from detectors.rules import MEASURES
from problems import etags
from storage.locks import advisory_lock

BUCKETS_MAX = 1000
PATTERNS_MAX = 100
PATTERN_MAX_LENGTH = 300

_name = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_tag = re.compile(r"tag [\w .:/+@-]{1,128}=[\w .:/+@-]{1,256}")
FLOOR_MAX = 2**50
KEY_MAX_LENGTH = 1024  # of S3
FLOORS = {one.key: one.words for one in MEASURES}
_address = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}")


@dataclass(frozen=True, slots=True)
class BucketSettings:
    """What a user sets for a registered bucket."""

    sensitivity: str = Sensitivity.NORMAL
    is_canary: bool = False
    allowed: str = ""  # one pattern on each line
    canary_keys: str = ""  # likewise
    floors: Mapping[str, int] | None = None

    @classmethod
    def of(cls, bucket: Bucket) -> BucketSettings:
        """Returns those of a bucket."""
        return cls(
            bucket.sensitivity,
            bucket.is_canary,
            bucket.allowed,
            bucket.canary_keys,
            bucket.floors or None,
        )


def problem_of_name(name: str) -> str:
    """Returns how the name breaks S3's rules for general purpose buckets, or ""."""
    if not _name.fullmatch(name):
        return (
            "The name of a bucket has 3 to 63 characters: lower-case letters, digits, hyphens and"
            " dots. It begins and ends with a letter or digit."
        )
    if ".." in name or _address.fullmatch(name):
        return "The name of a bucket has no two dots in a row, and is not an IP address."
    if name.startswith(("xn--", "sthree-", "amzn-s3-demo-")) or name.endswith(
        ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
    ):
        return "S3 reserves the beginning or the end of this name."
    return ""


def problem_of_allowed(allowed: str) -> str:
    """Returns what is wrong with the normalized patterns of allowed principals, or ""."""
    lines = allowed.splitlines()
    if problem := _problem_of_lines(lines, PATTERN_MAX_LENGTH):
        return problem
    if any(not line.removeprefix(SERVICE).strip("*? ") for line in lines):
        return "A pattern of only * or ? would allow everyone. Remove the bucket instead."
    if any(line.startswith(TAG) and not _tag.fullmatch(line) for line in lines):
        return "A tag is written as: tag KEY=VALUE, without patterns."
    return ""


def problem_of_canary_keys(keys: str) -> str:
    """Returns what is wrong with the normalized keys that nobody should use, or ""."""
    lines = keys.splitlines()
    if problem := _problem_of_lines(lines, KEY_MAX_LENGTH):
        return problem
    if any(not line.strip("*") for line in lines):
        return "A line of only * would mean every key. Make the bucket a canary instead."
    return ""


def _problem_of_lines(lines: Sequence[str], max_length: int) -> str:
    if len(lines) > PATTERNS_MAX or any(len(line) > max_length for line in lines):
        return f"At most {PATTERNS_MAX} lines of {max_length} characters."
    if any(not line.isprintable() for line in lines):
        return "A line contains characters that cannot be displayed."
    return ""


class TooMany(Exception):
    """There would be more than BUCKETS_MAX buckets."""

    def __init__(self) -> None:
        super().__init__(f"At most {BUCKETS_MAX} buckets can be registered.")


class StaleBuckets(etags.Stale):
    """The buckets have changed since the caller read them. Nothing was changed."""

    code = "stale_buckets"
    said = "The registered buckets have changed since you read them."


def etag() -> str:
    """Returns a strong entity tag of the settings of all buckets."""
    every = Bucket.objects.order_by("name")
    return etags.etag([[one.name, asdict(BucketSettings.of(one))] for one in every])


@transaction.atomic
def set_buckets(
    wanted: Mapping[str, BucketSettings | None],
    *,
    by: Caller,
    at: datetime,
    if_match: Iterable[str] | None = None,
) -> list[BucketChange]:
    """Registers or changes the buckets, and removes those whose settings are None.

    Returns the changes. The names and settings were checked. Raises TooMany, and StaleBuckets if
    none of the entity tags of `if_match` is "*" or that of the buckets.
    """
    advisory_lock("detectors.buckets")
    if if_match is not None:
        etags.insist(if_match, etag(), StaleBuckets)
    known = {one.name: one for one in Bucket.objects.filter(name__in=wanted)}
    changes = []
    for name, settings in wanted.items():
        bucket = known.get(name)
        before = BucketSettings.of(bucket) if bucket else None
        if before == settings:
            continue
        if settings is None and bucket:
            bucket.delete()
        elif settings:
            Bucket.objects.update_or_create(
                name=name, defaults=asdict(settings), create_defaults=_new(settings, at)
            )
        changes.append(
            BucketChange(
                changed_at=at,
                changed_by=by.user,
                changed_by_name=by.name,
                client_id=by.client_id,
                bucket=name,
                before=before and asdict(before),
                after=settings and asdict(settings),
            )
        )
    if Bucket.objects.count() > BUCKETS_MAX:
        raise TooMany
    BucketChange.objects.bulk_create(changes)
    return changes


def _new(settings: BucketSettings, at: datetime) -> dict[str, Any]:
    return asdict(settings) | {"registered_at": at}


def normalized(allowed: Iterable[str]) -> str:
    """Returns patterns as they are stored: one on each line, without empty lines."""
    return "\n".join(filter(None, (line.strip() for line in allowed)))
