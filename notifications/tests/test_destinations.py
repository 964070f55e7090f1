"""Destinations against real servers on the loopback."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from pytest_django.fixtures import Settings
from standardwebhooks import Webhook

from notifications.destinations import KINDS, Message, new_secret
from notifications.tests.receiver import Receiver, receiver

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
SECRET = new_secret()


@pytest.fixture
def loopback(settings: Settings) -> Iterator[Receiver]:
    """A receiver on the loopback, which destinations may reach."""
    settings.NOTIFY_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with receiver() as server:
        yield server


def webhook(server: Receiver, path: str = "/hook-0123456789") -> dict[str, str]:
    return KINDS["webhook"].clean({"url": server.url + path, "secret": SECRET})


def test_a_webhook_is_signed_with_both_secrets_while_one_is_rotated(loopback: Receiver) -> None:
    old = new_secret()
    settings = webhook(loopback) | {"previous_secret": old}
    answer = KINDS["webhook"].send(settings, MESSAGE)
    assert answer.delivered
    [request] = loopback.requests
    for key in (SECRET, old):
        assert Webhook(key).verify(request.body, dict(request.headers)) == MESSAGE.data
    assert request.headers["webhook-id"] == MESSAGE.id
    assert request.path == "/hook-0123456789"
