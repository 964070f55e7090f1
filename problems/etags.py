"""Conditional writes (RFC 9110, 13.1.1): a change does not write over what others changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any, ClassVar

from django.utils.http import parse_etags
from ninja import HeaderEx, P

IfMatch = HeaderEx[
    str | None,
    P(
        alias="If-Match",
        description="The ETag of the state that this change is based on. If that has changed since,"
        " the response is 412 and nothing is changed.",
    ),
]


class Stale(Exception):
    """What a caller changes has changed since it was read. Nothing was changed.

    `code` is that of the problem, `said` says what has changed, and `etag` is the current one.
    """

    code: ClassVar[str]
    said: ClassVar[str]

    def __init__(self, *, etag: str) -> None:
        super().__init__(self.said)
        self.etag = etag


def header(of: str) -> dict[str, Any]:
    """Return the ETag header for the OpenAPI document. `of` names what it is the version of."""
    return {
        "ETag": {
            "description": f"The version of {of}. Send it as If-Match with the next PUT.",
            "schema": {"type": "string"},
            "example": '"5d41402abc4b2a76b9719d911017c592"',
        }
    }


def etag(content: Any) -> str:
    """Return a strong entity tag (RFC 9110, 8.8.3) of JSON values."""
    text = json.dumps(content, sort_keys=True)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def tags(if_match: str | None) -> list[str] | None:
    """Return the entity tags of a header, or "*"; None without the header."""
    return None if if_match is None else parse_etags(if_match)


def insist(if_match: Iterable[str], current: str, stale: type[Stale]) -> None:
    """Raise `stale` if none of these entity tags is the current one or "*"."""
    if not {"*", current}.intersection(if_match):
        raise stale(etag=current)
