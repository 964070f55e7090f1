"""The root URL patterns of the portal."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from console.views import dashboard
from serving.security_txt import security_txt
from threatreaction.api import api
from threatreaction.api_docs import api_docs

urlpatterns = [
    path("", dashboard, name="home"),
    path("", include("console.urls")),
    path("", include("findings.urls")),
    path("", include("actions.urls")),
    path("", include("detectors.urls")),
    path("", include("notifications.urls")),
    path("", include("license.urls")),
    path("", include("problems.urls")),
    path("", api.urls),
    path("api/docs", api_docs, name="api-docs"),
    path("", include("accounts.urls")),
    path("admin/", admin.site.urls),
    path(".well-known/security.txt", security_txt, name="security-txt"),
]

handler400 = "threatreaction.errors.bad_request"
handler403 = "threatreaction.errors.permission_denied"
handler404 = "threatreaction.errors.page_not_found"
handler500 = "threatreaction.errors.server_error"
