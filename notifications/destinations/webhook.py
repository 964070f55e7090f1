"""A webhook that is signed as Standard Webhooks specifies (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime

from standardwebhooks import Webhook

from notifications.destinations.contract import Answer, Field, Kind, Message, body, header_id
from notifications.destinations.https import cleaned_url, post_json

PREFIX = "whsec_"
BODY_LENGTH = 256 * 1024  # bytes


def new_secret() -> str:
    """Returns a new random secret for a webhook: "whsec_" and 32 bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


class SignedWebhook(Kind):
    """POSTs `message.data` with the headers webhook-id, webhook-timestamp and webhook-signature."""

    name = "webhook"
    label = "Webhook"
    fields = (
        Field("url", "URL", "The https URL that receives a POST with JSON.", secret=True),
        Field(
            "secret",
            "Secret",
            "Signs each message (Standard Webhooks): whsec_ and 24 to 64 bytes in base64.",
            secret=True,
        ),
        Field(
            "previous_secret",
            "Previous secret",
            "Signs too, until the receiver knows the new secret.",
            secret=True,
            required=False,
        ),
    )

    def cleaned(self, name: str, value: str) -> str:
        """Returns the URL, or the secret. Raises ValueError."""
        if name == "url":
            return cleaned_url(value)
        try:
            key = base64.b64decode(value.removeprefix(PREFIX), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not value.startswith(PREFIX) or not 24 <= len(key) <= 64:
            msg = "Enter whsec_ and 24 to 64 bytes in base64."
            raise ValueError(msg)
        return value

    def send(self, settings: Mapping[str, str], message: Message) -> Answer:
        """Sends the message. The ID is that of the message; the time is that of the attempt."""
        now = datetime.now(UTC)
        text = body(message, BODY_LENGTH)
        identity = header_id(message.id)  # no ".", which separates what is signed
        keys = [settings["secret"], settings.get("previous_secret", "")]
        signatures = [Webhook(key).sign(identity, now, text) for key in keys if key]
        return post_json(
            settings["url"],
            text,
            headers={
                "webhook-id": identity,
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": " ".join(signatures),
            },
        )
