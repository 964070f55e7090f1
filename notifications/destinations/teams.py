"""A workflow of Microsoft Teams that posts what its webhook receives.

Not by Apprise: it reports no Retry-After, and shows the text as Markdown, in which whoever names a
tag or a resource could place a link.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

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
TEXT_LENGTH = 4000  # characters; Teams accepts 28 KB in all
LINES = 60


class Teams(Kind):
    """Posts an adaptive card to the webhook of a workflow."""

    name = "teams"
    label = "Microsoft Teams"
    fields = (
        Field(
            "url",
            "Workflow URL",
            'The URL of a workflow with the trigger "When a Teams webhook request is received".',
            secret=True,
        ),
    )

    def cleaned(self, name: str, value: str) -> str:
        """Returns the URL. Raises ValueError."""
        url = cleaned_url(value)
        host = urlsplit(url).hostname or ""
        if host.endswith("webhook.office.com") or host == "outlook.office.com":
            msg = "Microsoft has retired Office connectors. Enter the URL of a workflow."
            raise ValueError(msg)
        return url

    def send(self, settings: Mapping[str, str], message: Message) -> Answer:
        """Posts the message. Its text is shown literally: text runs know no Markdown."""
        return post_json(settings["url"], json.dumps(_payload(message), ensure_ascii=False))


def _payload(message: Message) -> dict[str, Any]:
    text = [line for line in lines(message.text, TEXT_LENGTH).split("\n") if line.strip()]
    if len(text) > LINES:
        text = [*text[: LINES - 1], "…"]
    title = _line(printable(message.title, TITLE_LENGTH) or "Threat Reaction")
    title["inlines"][0] |= {"weight": "Bolder", "size": "Medium"}
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [title, *map(_line, text)],
        "msteams": {"width": "full"},
    }
    if message.url:
        card["actions"] = [
            {"type": "Action.OpenUrl", "title": "Open in Threat Reaction", "url": message.url}
        ]
    return {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": card,
            }
        ],
    }


def _line(text: str) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text}]}
