"""A message, and sending it to destinations on the loopback."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from notifications.destinations import KINDS, Answer, Message, new_secret
from notifications.tests.receiver import Receiver

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
MESSAGE = Message(
    id="msg_1",
    title="UnauthorizedAccess:EC2/SSHBruteForce",
    text="An instance is under attack.\nIt was isolated.",
    url="https://portal.example/events/1",
    severity="HIGH",
    key="finding-1",
    resolved=False,
    at=NOW,
    data={
        "finding": {"type": "UnauthorizedAccess:EC2/SSHBruteForce", "title": "Ein Ü"},
        "policy": {"action": "REPORT"},
    },
)
# Whoever names a tag of a resource writes into a finding.
HOSTILE = replace(
    MESSAGE,
    title="A\r\nBcc: evil@example.com <!channel> @everyone",
    text="<http://evil.example|click> [click](http://evil.example) <at>all</at> & \u202egnp.exe",
)
SECRET = new_secret()
TOKEN = "T0123456789abcdef"
ROUTING_KEY = "0123456789abcdef0123456789abcdef"


def send(kind: str, server: Receiver, message: Message = MESSAGE) -> Answer:
    """Sends a message to a destination of this kind with the URL of the receiver."""
    settings = {"url": f"{server.url}/services/{TOKEN}?sig={TOKEN}"}
    if kind == "webhook":
        settings["secret"] = SECRET
    return KINDS[kind].send(KINDS[kind].clean(settings), message)


def posted(server: Receiver) -> Any:
    return json.loads(server.requests[-1].body)
