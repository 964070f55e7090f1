"""The containment switch: whether the portal acts on AWS or only logs what it would do."""

from __future__ import annotations

from django.conf import settings

ON, DRY_RUN = "on", "dry-run"
NOTHING_DONE = f"Nothing was done: CONTAINMENT is {DRY_RUN}."  # the outcome of an action


def is_on() -> bool:
    """Returns whether actions are carried out; False in a dry run and for an invalid value."""
    return bool(settings.CONTAINMENT == ON)
