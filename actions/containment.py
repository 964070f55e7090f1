"""Whether the portal acts on AWS, or only writes down what it would do."""

from __future__ import annotations

from django.conf import settings

ON, DRY_RUN = "on", "dry-run"
NOTHING_DONE = f"Nothing was done: CONTAINMENT is {DRY_RUN}."  # the outcome of an action


def is_on() -> bool:
    """True if actions are carried out; False in a dry run, and for a value that means nothing."""
    return bool(settings.CONTAINMENT == ON)
