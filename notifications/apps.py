from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class NotificationsConfig(AppConfig):
    """The notifications app, and the permissions that each role has in it."""

    name = "notifications"
    role_permissions = {
        "viewers": ["notifications.view_rule"],
        "operators": ["notifications.change_rule"],  # and add and remove them
        "administrators": ["notifications.change_destination"],
    }
    role_powers = {
        "viewers": ["view notification rules"],
        "operators": ["change notification rules"],
        "administrators": ["change the destinations of notifications"],
    }

    def ready(self) -> None:
        # They register the checks, the metrics, the problem types and the worker.
        from actions import signals as of_actions
        from findings import signals as of_findings
        from notifications import (  # noqa: F401
            checks,
            metrics,
            outbox,
            problems,
            resolving,
            topic,
            worker,
        )

        of_findings.stored.connect(outbox.when_stored)
        of_findings.closed.connect(resolving.when_closed)
        of_actions.settled.connect(outbox.when_settled)
        of_actions.tripped.connect(outbox.when_tripped)
        of_actions.reset.connect(resolving.when_reset)
        post_migrate.connect(topic.when_migrated, sender=self)
