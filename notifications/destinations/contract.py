"""What a message, an answer and a kind of destination are.

Everything here is plain Python: the process that runs Apprise imports it without Django's settings.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

from storage.instants import iso

SEND_FOR = 10.0  # seconds that `Kind.send` takes at most
ANSWER_LENGTH = 200  # characters
SETTING_LENGTH = 2000  # characters
HIDDEN = "••••••••"


@dataclass(frozen=True)
class Message:
    """One message to a destination.

    `id` is the same for each attempt. `key` is what the message is about: an incident has one key.
    `severity` is CRITICAL, HIGH, MEDIUM, LOW or "". `url` is the page of the portal about it.
    `resolved` ends an incident. `data` is JSON: the whole body for a webhook and an SNS topic.
    `sums_up` says that no incident is opened, since nothing would end it.
    """

    id: str
    title: str
    text: str
    url: str | None
    severity: str
    key: str
    resolved: bool
    at: datetime
    data: Mapping[str, Any]
    sums_up: bool = False


@dataclass(frozen=True)
class Answer:
    """The result of one attempt.

    `retry` says whether another attempt can succeed; `retry_after` is the time in seconds for which
    the destination asks to wait. `text` is one line for people. It contains no secret.
    """

    delivered: bool
    retry: bool
    retry_after: float | None
    text: str


def delivered(text: str) -> Answer:
    """Returns the answer to a message that the destination accepted."""
    return Answer(True, False, None, printable(text))


def failed(text: str, *, retry: bool, retry_after: float | None = None) -> Answer:
    """Returns the answer to a failed attempt. `retry_after` is in seconds."""
    return Answer(False, retry, retry_after, printable(text))


def timed_out(who: str) -> Answer:
    """Returns the answer to an attempt that took longer than SEND_FOR."""
    return failed(f"{who} did not answer within {SEND_FOR:.0f} seconds.", retry=True)


@dataclass(frozen=True)
class Field:
    """A setting of a destination, for its form. `secret` is never shown again in full."""

    name: str
    label: str
    help: str
    secret: bool = False
    required: bool = True


class BadDestination(ValueError):
    """Settings are not valid. `errors` has a message for each wrong field, without its value."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(f"{name}: {text}" for name, text in errors.items()))
        self.errors = dict(errors)


class Kind(ABC):
    """A kind of destination. `name` is stored with the settings, `label` is for people.

    `has_incidents` says whether a message with `resolved` ends what an earlier one has opened.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    fields: ClassVar[tuple[Field, ...]]
    has_incidents: ClassVar[bool] = False

    def clean(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Returns the settings to store: trimmed, and without optional ones that are empty.

        Raises BadDestination. It makes no connection.
        """
        errors: dict[str, str] = {}
        kept: dict[str, str] = {}
        known = {field.name: field for field in self.fields}
        for name in settings.keys() - known.keys():
            errors[printable(name)] = f"{self.label} has no such setting."
        for name, field in known.items():
            value = str(settings.get(name) or "").strip()
            if len(value) > SETTING_LENGTH:
                errors[name] = f"Enter at most {SETTING_LENGTH} characters."
            elif not value.isprintable():
                errors[name] = "Enter one line without control characters."
            elif value:
                try:
                    kept[name] = self.cleaned(name, value)
                except ValueError as error:
                    errors[name] = str(error)
            elif field.required:
                errors[name] = "This setting is required."
        if errors:
            raise BadDestination(errors)
        return kept

    def problem(self) -> str:
        """Returns which setting of the portal keeps all destinations of this kind from working."""
        return ""

    @abstractmethod
    def cleaned(self, name: str, value: str) -> str:
        """Returns the value of one setting to store.

        Raises ValueError with a sentence that does not contain the value.
        """

    @abstractmethod
    def send(self, settings: Mapping[str, str], message: Message) -> Answer:
        """Sends the message once, within SEND_FOR seconds.

        Failures of the destination, of the network and of the settings are answers, not exceptions.
        """

    def masked(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Returns the settings for people: of a secret URL only scheme and host, of others dots."""
        secret = {field.name for field in self.fields if field.secret}
        return {
            name: _masked(value) if name in secret else value for name, value in settings.items()
        }


def _masked(value: str) -> str:
    try:
        url = urlsplit(value)
        if url.scheme in {"http", "https"} and url.hostname:
            return f"{url.scheme}://{url.hostname}/{HIDDEN}"
    except ValueError:
        pass
    return HIDDEN


def printable(text: str, length: int = ANSWER_LENGTH) -> str:
    """Returns the text in one line of at most `length` characters.

    Without characters that move the cursor, change the direction of the text or take no space.
    """
    line = " ".join(text[: length * 8].split())
    return cut("".join(c for c in line if c == " " or c.isprintable()), length)


def lines(text: str, length: int) -> str:
    """Returns the text of at most `length` characters, with line breaks as the only controls."""
    text = text[: length * 2].replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    kept = (c for c in text if c == "\n" or c.isprintable() or unicodedata.category(c) == "Zs")
    return cut("".join(kept).strip("\n"), length)


def cut(text: str, length: int) -> str:
    """Returns the text, with an ellipsis where it is longer than `length` characters."""
    return text if len(text) <= length else text[: length - 1] + "…"


def body(message: Message, limit: int) -> str:
    """Returns `message.data` as JSON of at most `limit` bytes.

    Larger data is replaced by the other members of the message, and `"truncated": true`.
    """
    whole = json.dumps(dict(message.data), default=str)
    if len(whole) <= limit:  # ASCII
        return whole
    return json.dumps(
        {
            "truncated": True,
            "id": message.id,
            "key": cut(message.key, 1000),
            "title": printable(message.title, 1000),
            "text": lines(message.text, 4000),
            "url": message.url,
            "severity": message.severity or None,
            "resolved": message.resolved,
            "at": iso(message.at),
        }
    )


def header_id(value: str) -> str:
    """Returns an ID that fits into a header: the value itself, or its SHA-256."""
    if _ID.fullmatch(value):
        return value
    return hashlib.sha256(value.encode()).hexdigest()


_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{6,}")


def without_secrets(text: str, *secrets: str) -> str:
    """Returns what a destination says, or "" if it repeats a part of a secret.

    A part is six or more letters, digits, "-" or "_" in a row. Pass only what was sent to the
    destination: the path of its URL, a token.
    """
    said = text.casefold()
    parts = {part.casefold() for secret in secrets for part in _TOKEN.findall(secret)}
    return "" if any(part in said for part in parts) else text
