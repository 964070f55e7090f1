from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest


class AdminSite(admin.AdminSite):
    """Django's admin, opened by permissions alone: who may see some model may come in."""

    site_header = "Threat Reaction"
    site_title = "Threat Reaction"
    index_title = "Administration"
    site_url = "/threats"

    def has_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and any(
            model_admin.has_module_permission(request) for model_admin in self._registry.values()
        )

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Hands over to the portal's own sign-in, with its second factors and rate limits."""
        from allauth.account.decorators import secure_admin_login

        return secure_admin_login(super().login)(request, extra_context)
