"""The time that AWS shows in its answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import boto3

Heard = Callable[[str, datetime], None]  # with "aws" for a Date, "sqs" for a SentTimestamp

# The domains of AWS's endpoints, in its public partitions.
DOMAINS = (
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".api.aws",
    ".api.amazonwebservices.com.cn",
)


def listen(session: boto3.Session, heard: Heard) -> None:
    """Call `heard` with the times in all answers to clients that the session creates from now on.

    Only answers from a domain of AWS over HTTPS count: an endpoint by setting vouches for nothing.
    """

    def after_call(http_response: Any, parsed: Any, **context: Any) -> None:
        if _is_aws(http_response.url):
            for source, at in _times(http_response.headers, parsed):
                heard(source, at)

    session.events.register("after-call", after_call)


def _is_aws(url: str) -> bool:
    with suppress(ValueError):
        parts = urlsplit(url)
        return parts.scheme == "https" and (parts.hostname or "").endswith(DOMAINS)
    return False


def _times(headers: Mapping[str, str], parsed: Any) -> list[tuple[str, datetime]]:
    """Return the times in an answer by source; none for what cannot be read."""
    found = []
    with suppress(ValueError, TypeError, OverflowError):
        if date := headers.get("Date"):
            found.append(("aws", parsedate_to_datetime(date).astimezone(UTC)))
    messages = parsed.get("Messages") if isinstance(parsed, dict) else None
    for message in messages if isinstance(messages, list) else []:
        with suppress(KeyError, ValueError, TypeError, OverflowError, OSError):
            sent = int(message["Attributes"]["SentTimestamp"]) / 1000
            found.append(("sqs", datetime.fromtimestamp(sent, UTC)))
    return found
