"""The app `license`."""

from __future__ import annotations

from django.apps import AppConfig


class LicenseConfig(AppConfig):
    """Names the permissions of each group, and registers the system checks."""

    name = "license"
    role_permissions = {
        "viewers": ["license.view_license"],
        "administrators": ["license.add_license"],
    }

    def ready(self) -> None:
        from license import checks, problems  # noqa: F401  (they register)
