from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from notifications.tests.receiver import Receiver, receiver


@pytest.fixture
def _containment(settings: Settings) -> None:
    """Turns containment on, with one path for blocks."""
    settings.CONTAINMENT = "on"
    settings.BLOCK_IP_SETS = [
        "arn:aws:wafv2:eu-central-1:123456789012:regional/ipset/blocked/1f-2e"
    ]


@pytest.fixture
def webhook_server(settings: Settings) -> Iterator[Receiver]:
    """A receiver on the loopback, which destinations may reach."""
    settings.NOTIFY_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with receiver() as server:
        yield server
