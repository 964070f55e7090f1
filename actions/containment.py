"""The containment switch: whether the portal acts on AWS or only logs what it would do."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from actions import heartbeat

ON, DRY_RUN = "on", "dry-run"
NOTHING_DONE = f"Nothing was done: CONTAINMENT is {DRY_RUN}."  # the outcome of an action

SIMULATED = "Nothing was done: the rule simulates."


def is_on() -> bool:
    """Returns whether actions are carried out; False in a dry run and for an invalid value."""
    return bool(settings.CONTAINMENT == ON)


def is_acting(at: datetime) -> bool:
    """Returns whether actions that are stored now are carried out, by this setting or a worker's.

    A shell in a dry run beside a worker that acts leaves the decision to the worker.
    """
    return is_on() or heartbeat.acts(at)
