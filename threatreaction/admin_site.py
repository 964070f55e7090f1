"""The admin site of the portal."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache


class AdminSite(admin.AdminSite):
    """Django's admin site, for all users who can view at least one model; `is_staff` is ignored."""

    site_header = "Threat Reaction"
    site_title = "Threat Reaction"
    index_title = "Administration"
    site_url = "/threats"
    enable_nav_sidebar = False  # the lists need the width

    def has_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and any(
            model_admin.has_module_permission(request) for model_admin in self._registry.values()
        )

    @method_decorator(never_cache)
    @login_not_required
    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Redirect to the portal's sign-in page, which has second factors and rate limits.

        Raises PermissionDenied for a signed-in user without permissions.
        """
        index = reverse("admin:index", current_app=self.name)
        if not request.user.is_authenticated:
            return redirect_to_login(request.GET.get("next", index))
        if not self.has_permission(request):
            raise PermissionDenied
        return redirect(index)

    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        if any("\0" in value for value in request.GET.values()):
            raise BadRequest  # PostgreSQL rejects NUL
        return super().autocomplete_view(request)

    def password_change(  # type: ignore[override]  # redirects to the portal's page
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("account_change_password")
