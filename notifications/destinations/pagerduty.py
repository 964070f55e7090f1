"""PagerDuty, by its Events API v2.

Not by Apprise: it also asks for a key of the REST API, and reports no Retry-After.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings

from notifications.destinations.contract import (
    Answer,
    Field,
    Kind,
    Message,
    lines,
    printable,
)
from notifications.destinations.https import post_json
from storage.instants import iso

ENDPOINTS = {
    "us": "https://events.pagerduty.com/v2/enqueue",
    "eu": "https://events.eu.pagerduty.com/v2/enqueue",
}
SUMMARY_LENGTH = 1024  # characters
KEY_LENGTH = 255  # characters
TEXT_LENGTH = 20_000  # characters; PagerDuty accepts 512 KB in all
_SEVERITY = {"CRITICAL": "critical", "HIGH": "error", "MEDIUM": "warning", "LOW": "info"}
_ROUTING_KEY = re.compile(r"[A-Za-z0-9]{32}")


class PagerDuty(Kind):
    """Opens an incident for each key, and resolves it. What sums up is sent as a change event."""

    name = "pagerduty"
    label = "PagerDuty"
    has_incidents = True
    fields = (
        Field(
            "routing_key",
            "Integration key",
            "The key of an integration of the type Events API v2: 32 letters and digits.",
            secret=True,
        ),
        Field(
            "region",
            "Region",
            'The service region of the account: "us" (the default) or "eu".',
            required=False,
        ),
    )

    def cleaned(self, name: str, value: str) -> str:
        """Returns the key, or the region in lower case. Raises ValueError."""
        if name == "region":
            if value.lower() not in ENDPOINTS:
                msg = 'Enter "us" or "eu".'
                raise ValueError(msg)
            return value.lower()
        if not _ROUTING_KEY.fullmatch(value):
            msg = "Enter 32 letters and digits."
            raise ValueError(msg)
        return value

    def send(self, settings: Mapping[str, str], message: Message) -> Answer:
        """Triggers or resolves the incident of `message.key`, or sends a change event."""
        key = settings["routing_key"]
        url = ENDPOINTS[settings.get("region", "us")]
        if message.sums_up:
            url = url.replace("/v2/enqueue", "/v2/change/enqueue")
        body = _change(key, message) if message.sums_up else _event(key, message)
        return post_json(url, json.dumps(body), secrets=[key])


def _change(routing_key: str, message: Message) -> dict[str, Any]:
    """Returns an event that shows on the service, and opens nothing."""
    return {
        "routing_key": routing_key,
        "payload": {
            "summary": printable(message.title, SUMMARY_LENGTH) or "Threat Reaction",
            "source": str(urlsplit(django_settings.PORTAL_URL).hostname),
            "timestamp": iso(message.at, timespec="milliseconds"),
            "custom_details": {"text": lines(message.text, TEXT_LENGTH)},
        },
        "links": [
            {"href": message.url or django_settings.PORTAL_URL, "text": "Open in Threat Reaction"}
        ],
    }


def _event(routing_key: str, message: Message) -> dict[str, Any]:
    host = str(urlsplit(django_settings.PORTAL_URL).hostname)
    key = f"{host}/{message.key}"  # two portals can use one integration
    if not key.isprintable() or not 1 <= len(key) <= KEY_LENGTH:
        key = hashlib.sha256(key.encode()).hexdigest()
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": "resolve" if message.resolved else "trigger",
        "dedup_key": key,
    }
    if message.resolved:
        return event
    return event | {
        "payload": {
            "summary": printable(message.title, SUMMARY_LENGTH) or "Threat Reaction",
            "source": host,
            "severity": _SEVERITY.get(message.severity, "info"),
            "timestamp": iso(message.at, timespec="milliseconds"),
            "custom_details": {"text": lines(message.text, TEXT_LENGTH)},
        },
        "client": "Threat Reaction",
        "client_url": message.url or django_settings.PORTAL_URL,
    }
