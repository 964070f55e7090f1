from __future__ import annotations

from django.apps import AppConfig


class LicenseConfig(AppConfig):
    name = "license"
    role_permissions = {
        "viewers": ["license.view_license"],
        "administrators": ["license.add_license"],
    }

    def ready(self) -> None:
        from license import checks  # noqa: F401  (registers them)
