"""System checks of notifications. They read the database: `manage.py check --database default`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Tags, register
from django.db import DatabaseError

from notifications.destinations import KINDS
from notifications.models import NO_KEY, Destination, Rule
from storage.encryption import NoKeyError


@register(Tags.database)
def check_notifications(
    databases: Sequence[str] | None = None, **kwargs: Any
) -> Iterator[CheckMessage]:
    """Yields a warning for each destination that cannot work."""
    if not databases or "default" not in databases:
        return
    try:
        yield from list(_warnings())
    except DatabaseError:
        return  # `migrate` runs checks before it has made the tables as this version needs them


def _warnings() -> Iterator[CheckMessage]:
    for one in Destination.objects.present().order_by("name"):
        if problem := problem_of(one):
            yield checks.Warning(
                f"Messages to {one.name} do not arrive. {problem}",
                hint="Change the setting, or the destination on the page /notifications.",
                id="notifications.W001",
            )
    for rule in Rule.objects.present().filter(enabled=True, destinations=None):
        yield checks.Warning(
            f"The rule {rule.name} has no destination.",
            hint="Choose one on the page /notifications.",
            id="notifications.W002",
        )


def problem_of(destination: Destination) -> str:
    """Returns which setting of the portal keeps a destination from working, or ""."""
    if destination.kind not in KINDS:
        return f"This version has no destinations of the kind {destination.kind}."
    try:
        destination.open_settings()
    except NoKeyError:
        return NO_KEY
    return KINDS[destination.kind].problem()
