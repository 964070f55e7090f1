"""An incoming webhook of Slack, or of a server that accepts the same, such as Mattermost.

Not by Apprise: it reports no Retry-After, and turns the mentions in a text into real ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from notifications.destinations.contract import (
    Answer,
    Field,
    Kind,
    Message,
    lines,
    printable,
)
from notifications.destinations.https import cleaned_url, post_json

TITLE_LENGTH = 300
TEXT_LENGTH = 2900  # characters; Slack accepts 3000 in a section
_CONTROL = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}  # what begins a mention or a link


class Slack(Kind):
    """Posts a message to the channel of an incoming webhook."""

    name = "slack"
    label = "Slack"
    fields = (
        Field(
            "url",
            "Webhook URL",
            "The URL of an incoming webhook: https://hooks.slack.com/services/...",
            secret=True,
        ),
    )

    def cleaned(self, name: str, value: str) -> str:
        """Returns the URL. Raises ValueError."""
        return cleaned_url(value)

    def send(self, settings: Mapping[str, str], message: Message) -> Answer:
        """Posts the message. Its text mentions nobody and links nowhere."""
        return post_json(settings["url"], json.dumps(_payload(message)))


def _payload(message: Message) -> dict[str, Any]:
    title = escaped(printable(message.title, TITLE_LENGTH), TITLE_LENGTH * 2) or "Threat Reaction"
    parts = [f"*{title}*"]
    if text := escaped(lines(message.text, TEXT_LENGTH), TEXT_LENGTH):
        parts.append(text)
    if message.url:
        parts.append(f"<{escaped(message.url, TEXT_LENGTH)}|Open in Threat Reaction>")
    return {
        "text": "\n".join(parts),  # in the notification of a device, and where blocks are unknown
        "blocks": [
            # verbatim: Slack makes no links and mentions of its own.
            {"type": "section", "text": {"type": "mrkdwn", "text": part, "verbatim": True}}
            for part in parts
        ],
        "parse": "none",
        "unfurl_links": False,
        "unfurl_media": False,
    }


def escaped(text: str, length: int) -> str:
    """Returns the text for Slack's markup, at most `length` characters, cut between characters."""
    kept: list[str] = []
    for character in text:
        part = _CONTROL.get(character, character)
        length -= len(part)
        if length < 1:
            return "".join([*kept, "…"])
        kept.append(part)
    return "".join(kept)
