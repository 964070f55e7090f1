from __future__ import annotations

from django.apps import AppConfig


class ActionsConfig(AppConfig):
    """The actions app, and the permissions that each role has in it."""

    name = "actions"
    role_permissions = {
        "viewers": ["actions.view_reaction"],
        "operators": ["actions.add_reaction"],
    }
    role_powers = {
        "viewers": ["view actions and the allowlist"],
        "operators": [
            "block, revoke, isolate, deny, allow and undo by hand",
            "approve actions",
            "reset the circuit breaker",
        ],
    }

    def ready(self) -> None:
        # They register the checks and the problem types.
        from actions import checks, guardduty_archive, ingest, problems  # noqa: F401
        from findings import bulk, signals

        signals.closed.connect(guardduty_archive.when_closed)
        signals.detected.connect(ingest.when_detected)

        bulk.register(
            bulk.Part("actions/_selected.html", "actions.add_reaction", lambda request: {})
        )
