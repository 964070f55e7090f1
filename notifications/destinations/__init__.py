"""Destinations: where a message can go, and how it gets there.

`KINDS` has each kind of destination by name. A kind validates the settings of a destination
(`clean`), shows them without secrets (`masked`), and sends a message once (`send`).
"""

from __future__ import annotations

from collections.abc import Mapping

from notifications.destinations.by_apprise import ByApprise
from notifications.destinations.contract import (
    Answer,
    BadDestination,
    Field,
    Kind,
    Message,
)
from notifications.destinations.mail import Mail
from notifications.destinations.pagerduty import PagerDuty
from notifications.destinations.slack import Slack
from notifications.destinations.teams import Teams
from notifications.destinations.topic import Topic
from notifications.destinations.webhook import SignedWebhook, new_secret

__all__ = ["KINDS", "Answer", "BadDestination", "Field", "Kind", "Message", "new_secret"]

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Mail(),
        Slack(),
        Teams(),
        PagerDuty(),
        SignedWebhook(),
        Topic(),
        ByApprise(),
    )
}
