from __future__ import annotations

from allauth.account.views import reauthenticate
from allauth.mfa.base.views import reauthenticate as reauthenticate_by_code
from allauth.mfa.webauthn.views import reauthenticate_webauthn
from django.urls import include, path

from accounts import views

urlpatterns = [
    path("accounts/no-role/", views.no_role, name="account_no_role"),
    # These must come before allauth's views of the same names and paths.
    path("security-log", views.security_log, name="security-log"),
    path("accounts/sessions/", views.SessionsView.as_view(), name="usersessions_list"),
    path("accounts/email/", views.EmailView.as_view(), name="account_email"),
    path(
        "accounts/reauthenticate/",
        views.reauthentication(reauthenticate),
        name="account_reauthenticate",
    ),
    path(
        "accounts/2fa/reauthenticate/",
        views.reauthentication(reauthenticate_by_code),
        name="mfa_reauthenticate",
    ),
    path(
        "accounts/2fa/webauthn/reauthenticate/",
        views.reauthentication(reauthenticate_webauthn),
        name="mfa_reauthenticate_webauthn",
    ),
    path(
        "accounts/oidc/<str:provider_id>/login/",
        views.openid_connect_login,
        name="openid_connect_login",
    ),
    path("accounts/", include("allauth.urls")),
    path("oauth/token", views.oauth_token, name="oauth_token"),
    path("oauth/revoke", views.oauth_revoke, name="oauth_revoke"),
]
