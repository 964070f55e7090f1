from __future__ import annotations

from django.apps import AppConfig


class DetectorsConfig(AppConfig):
    """The detectors app, and the permissions that each role has in it."""

    name = "detectors"
    role_permissions = {
        "viewers": ["detectors.view_bucket"],
        "operators": ["detectors.change_bucket"],  # and register and remove them
    }
    role_powers = {
        "viewers": ["view the registered buckets"],
        "operators": ["register and change buckets"],
    }

    def ready(self) -> None:
        """Registers the system checks and problem types."""
        from detectors import checks, problems  # noqa: F401  (imported to register)
