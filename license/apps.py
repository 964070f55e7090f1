"""The configuration of the app `license`."""

from __future__ import annotations

from django.apps import AppConfig


class LicenseConfig(AppConfig):
    """Declares the permissions of each group, and registers system checks and problem types."""

    name = "license"
    role_permissions = {
        "viewers": ["license.view_license"],
        "administrators": ["license.add_license"],
    }
    role_powers = {
        "viewers": ["view the license"],
        "administrators": ["install licenses"],
    }

    def ready(self) -> None:
        from license import checks, problems  # noqa: F401  (imported to register)
