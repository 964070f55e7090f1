from __future__ import annotations

from django.apps import AppConfig


class PanelConfig(AppConfig):
    """The vendor's licensing site."""

    name = "panel"
    verbose_name = "Licensing"

    def ready(self) -> None:
        from panel import checks, receivers  # noqa: F401  (registers checks and receivers)
