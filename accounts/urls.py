from __future__ import annotations

from django.urls import include, path

from accounts import views

urlpatterns = [
    path("accounts/no-role/", views.no_role, name="account_no_role"),
    # Before allauth's own view of this name and path.
    path(
        "accounts/oidc/<str:provider_id>/login/",
        views.openid_connect_login,
        name="openid_connect_login",
    ),
    path("accounts/", include("allauth.urls")),
    path("oauth/token", views.oauth_token, name="oauth_token"),
    path("oauth/revoke", views.oauth_revoke, name="oauth_revoke"),
]
