"""URL patterns of the License page."""

from __future__ import annotations

from django.urls import path

from license import views

app_name = "license"
urlpatterns = [
    path("license", views.page, name="page"),
    path("license/preview", views.preview, name="preview"),
    path("license/account-proof", views.account_proof, name="account-proof"),
    path("license/expiry.ics", views.calendar, name="calendar"),
]
