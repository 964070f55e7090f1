from __future__ import annotations

from allauth.account.views import reauthenticate
from allauth.mfa.base.views import reauthenticate as reauthenticate_by_code
from allauth.mfa.webauthn.views import reauthenticate_webauthn
from django.urls import include, path

from accounts import client_views, people_views, views

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
    path("people", people_views.people_list, name="people"),
    path("people/invite", people_views.invite, name="people-invite"),
    path("people/<int:pk>", people_views.person, name="person"),
    path("people/<int:pk>/role", people_views.set_role, name="person-role"),
    path("people/<int:pk>/link", people_views.send_link, name="person-link"),
    path("people/<int:pk>/deactivate", people_views.deactivate, name="person-deactivate"),
    path("people/<int:pk>/reactivate", people_views.reactivate, name="person-reactivate"),
    path(
        "people/<int:pk>/second-factors", people_views.remove_second_factors, name="person-factors"
    ),
    path("clients", client_views.client_list, name="clients"),
    path("clients/create", client_views.create, name="clients-create"),
    path("clients/<str:pk>", client_views.client, name="client"),
    path("clients/<str:pk>/scopes", client_views.set_scopes, name="client-scopes"),
    path("clients/<str:pk>/secret", client_views.new_secret, name="client-secret"),
    path("clients/<str:pk>/delete", client_views.delete, name="client-delete"),
    path("oauth/token", views.oauth_token, name="oauth_token"),
    path("oauth/revoke", views.oauth_revoke, name="oauth_revoke"),
]
