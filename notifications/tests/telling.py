"""Rules and destinations for tests, and what the worker does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from accounts.api_auth import Caller
from notifications import configuration, delivery, gathering
from notifications.destination_settings import DestinationSettings
from notifications.models import Delivery, Destination, Rule
from notifications.rule_settings import RuleSettings

PROGRAM = Caller(name="pipeline", client_id="c1")


def add_webhook(
    url: str = "https://soc.example.com/hook", *, name: str = "SOC", per_hour: int = 60
) -> str:
    """Adds a webhook. Returns its secret."""
    wanted = DestinationSettings("webhook", {"url": url}, per_hour)
    return configuration.set_notifications(
        rules={}, destinations={name: wanted}, by=PROGRAM, at=timezone.now()
    ).secrets[name]


def add(kind: str, settings: Mapping[str, str], *, name: str) -> Destination:
    """Adds a destination."""
    configuration.set_notifications(
        rules={},
        destinations={name: DestinationSettings(kind, settings)},
        by=PROGRAM,
        at=timezone.now(),
    )
    return Destination.objects.present().get(name=name)


def add_rule(
    trigger: str = "finding", *destinations: str, name: str = "rule", **members: Any
) -> Rule:
    """Adds or changes a rule; by default for the destination SOC."""
    wanted = RuleSettings(trigger, destinations=destinations or ["SOC"], **members)
    configuration.set_notifications(
        rules={name: wanted}, destinations={}, by=PROGRAM, at=timezone.now()
    )
    return Rule.objects.present().get(name=name)


def gather() -> list[str]:
    """Gathers what is due now. Returns the titles of all messages, in order."""
    while gathering.gather(timezone.now()):
        pass
    return list(Delivery.objects.order_by("pk").values_list("title", flat=True))


def deliver() -> None:
    """Gathers and sends what is due now."""
    gather()
    delivery.deliver_due()
