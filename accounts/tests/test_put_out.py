"""Without a license, API clients can be deleted and users can secure their accounts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.idp.oidc.models import Client as OAuthClient
from allauth.idp.oidc.models import Token
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from accounts.tests.browser import PASSWORD, is_signed_in, sign_in
from accounts.tests.test_second_factor import enrol

pytestmark = [
    pytest.mark.usefixtures("expired_license"),
    pytest.mark.one_database,  # forms and pages
]

NEW = "three-small-green-frogs"


@pytest.fixture
def leaked() -> OAuthClient:
    client = OAuthClient(name="leaked", grant_types="client_credentials")
    client.set_secret("hush")
    client.save()
    token = Token(
        client=client,
        type=Token.Type.ACCESS_TOKEN,
        expires_at=timezone.now() + timedelta(hours=1),
        scopes="findings:read",
    )
    token.set_value("leaked token")
    token.save()
    return client


def is_known(program: Client) -> bool:
    answer = program.get("/findings", headers={"Authorization": "Bearer leaked token"})
    return answer.status_code == 200


@pytest.mark.every_database  # locks
def test_an_api_client_is_deleted(
    leaked: OAuthClient, administrator_client: Client, client: Client
) -> None:
    assert is_known(client)
    path = f"/admin/allauth_idp_oidc/client/{leaked.pk}/delete/"
    assert administrator_client.post(path, {"post": "yes"}).status_code == 302
    assert not OAuthClient.objects.exists()
    assert not is_known(client)


@pytest.mark.every_database  # locks
def test_api_clients_are_deleted_in_the_list(
    leaked: OAuthClient, administrator_client: Client
) -> None:
    sent = {"action": "delete_selected", "_selected_action": leaked.pk, "post": "yes"}
    administrator_client.post("/admin/allauth_idp_oidc/client/", sent)
    assert not OAuthClient.objects.exists()


def test_a_program_revokes_its_token(leaked: OAuthClient, client: Client) -> None:
    sent = {"client_id": leaked.pk, "client_secret": "hush", "token": "leaked token"}
    assert client.post("/oauth/revoke", sent).status_code == 200
    assert not is_known(client)


def test_a_person_changes_their_password(viewer: User, viewer_client: Client) -> None:
    sent = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    viewer_client.post("/accounts/password/change/", sent)
    viewer.refresh_from_db()
    assert viewer.check_password(NEW)


def test_a_person_enrolls_a_second_factor_and_removes_it(
    viewer: User, viewer_client: Client
) -> None:
    enrol(viewer_client)
    mine = Authenticator.objects.filter(user=viewer)
    assert mine.filter(type="totp").exists()
    viewer_client.post("/accounts/2fa/totp/deactivate/")
    assert not mine.filter(type="totp").exists()


def test_the_password_is_asked_for_first(viewer: User, viewer_client: Client) -> None:
    """The interrupted write is resumed, because it requires no license."""
    Authenticator.objects.create(user=viewer, type="totp", data={"secret": "x"})
    path = "/accounts/2fa/totp/deactivate/"
    asked = viewer_client.post(path)
    assert asked.headers["Location"].startswith("/accounts/")
    viewer_client.post("/accounts/reauthenticate/", {"password": PASSWORD, "next": path})
    assert not Authenticator.objects.filter(user=viewer).exists()


def test_a_person_ends_their_other_sessions(viewer: User, client: Client) -> None:
    lost = Client()
    sign_in(lost, "vera")
    sign_in(client, "vera")
    client.post("/accounts/sessions/")
    assert not is_signed_in(lost)
    assert is_signed_in(client)
