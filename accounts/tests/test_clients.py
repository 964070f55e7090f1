"""Administrators create API clients, change their scopes, replace their secret and delete them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from allauth.idp.oidc.models import Client as OAuthClient
from allauth.idp.oidc.models import Token
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings
from time_machine import travel

from accounts import clients
from accounts.models import SecurityEvent
from accounts.tests.browser import confirm_password
from accounts.tests.test_oauth_token import bearer, obtain

pytestmark = pytest.mark.one_database  # pages

PIPELINE = {"name": "pipeline", "scopes": ["findings:read", "findings:write"]}


@pytest.fixture
def ada(administrator_client: Client) -> Client:
    """The browser of an administrator who has just confirmed the password."""
    confirm_password(administrator_client)
    return administrator_client


def secret_in(page: Any) -> str:
    assert page["Cache-Control"] == "no-store"
    found = re.search(r'id="secret">([\w-]{43})</code>', page.text)
    assert found
    return found[1]


@pytest.fixture
def made(ada: Client, valid_license: object) -> tuple[OAuthClient, str]:
    """An API client that the page created, and its secret."""
    secret = secret_in(ada.post("/clients/create", PIPELINE))
    return OAuthClient.objects.get(), secret


def token_of(client: OAuthClient, secret: str) -> str:
    return str(obtain(Client(), client.pk, secret).json()["access_token"])


def reads(token: str) -> bool:
    return bearer(token).get("/findings").status_code == 200


@pytest.mark.usefixtures("valid_license")
@pytest.mark.parametrize("who", ["viewer", "operator"])
def test_only_administrators_see_and_change_clients(
    who: str, request: pytest.FixtureRequest
) -> None:
    browser: Client = request.getfixturevalue(f"{who}_client")
    pk = OAuthClient.objects.create(name="pipeline").pk
    for path in ("/clients", "/clients/create", f"/clients/{pk}"):
        assert browser.get(path).status_code == 403
    for path in ("create", f"{pk}/scopes", f"{pk}/secret", f"{pk}/delete"):
        assert browser.post(f"/clients/{path}", PIPELINE).status_code == 403


def test_a_client_is_created_and_its_secret_is_shown_once(
    ada: Client, administrator: User, made: tuple[OAuthClient, str]
) -> None:
    client, secret = made
    assert reads(token_of(client, secret))
    assert client.owner == administrator
    for path in ("/clients", f"/clients/{client.pk}"):
        page = ada.get(path).text
        assert "pipeline" in page
        assert "findings:write" in page
        assert secret not in page
        assert client.secret not in page
    event = SecurityEvent.objects.get(kind="client_created")
    assert (event.client_id, event.by_name, event.detail) == (client.pk, "ada", "pipeline")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "Pipeline"}, "There is an API client with this name."),
        ({"name": " "}, "This field is required."),
        ({"name": "two\u200bwords"}, "The name contains an unprintable character."),
        ({"name": "x" * 101}, "at most 100 characters"),
        ({"scopes": []}, "Choose at least one scope."),
        ({"scopes": ["openid"]}, "Select a valid choice."),
    ],
)
@pytest.mark.usefixtures("made")
def test_a_wrong_client_is_explained(ada: Client, changed: dict[str, Any], said: str) -> None:
    page = ada.post("/clients/create", {"name": "other", "scopes": ["findings:read"]} | changed)
    assert said in page.text
    assert OAuthClient.objects.count() == 1


def test_a_scope_that_is_removed_ends_at_once(ada: Client, made: tuple[OAuthClient, str]) -> None:
    client, secret = made
    both, read_only = (
        token_of(client, secret),
        obtain(Client(), client.pk, secret, scope="findings:read").json()["access_token"],
    )
    ada.post(f"/clients/{client.pk}/scopes", {"scopes": ["findings:read", "license:read"]})
    assert not reads(both)
    assert reads(read_only)
    client.refresh_from_db()
    assert client.get_scopes() == client.get_default_scopes() == ["findings:read", "license:read"]
    assert "Choose at least one" in ada.post(f"/clients/{client.pk}/scopes", {}).text
    assert SecurityEvent.objects.filter(kind="client_changed", by_name="ada", detail="scopes")


def test_a_new_secret_ends_the_old_one_and_its_tokens(
    ada: Client, made: tuple[OAuthClient, str]
) -> None:
    client, old = made
    token = token_of(client, old)
    new = secret_in(ada.post(f"/clients/{client.pk}/secret"))
    assert not reads(token)
    assert obtain(Client(), client.pk, old).status_code == 401
    assert reads(token_of(client, new))
    assert SecurityEvent.objects.filter(kind="client_changed", by_name="ada", detail="secret")


class RotatingHasher(MD5PasswordHasher):
    """Replaces the secret of the client while the old one is verified."""

    algorithm = "rotating"

    def verify(self, password: str, encoded: str) -> bool:
        clients.new_secret(OAuthClient.objects.get())
        return super().verify(password, encoded)


def test_a_token_that_is_requested_during_the_replacement_is_refused(
    made: tuple[OAuthClient, str], settings: Settings
) -> None:
    client, _ = made
    settings.PASSWORD_HASHERS = [f"{__name__}.RotatingHasher"]
    old = clients.new_secret(client)
    refused = obtain(Client(), client.pk, old)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert not Token.objects.exists()


def test_a_deleted_client_is_gone_at_once(ada: Client, made: tuple[OAuthClient, str]) -> None:
    client, secret = made
    token = token_of(client, secret)
    assert ada.post(f"/clients/{client.pk}/delete")["Location"] == "/clients"
    assert not reads(token)
    assert ada.get(f"/clients/{client.pk}").status_code == 404
    assert "No API clients yet" in ada.get("/clients").text


@pytest.mark.usefixtures("expired_license")
def test_without_a_license_a_client_can_only_lose_power(ada: Client) -> None:
    client = OAuthClient.objects.create(name="pipeline", scopes="findings:read\nfindings:write")
    path = f"/clients/{client.pk}"
    assert ada.post("/clients/create", PIPELINE | {"name": "other"}).status_code == 403
    more = ["findings:read", "security:read"]
    assert ada.post(f"{path}/scopes", {"scopes": more}).status_code == 403
    assert ada.post(f"{path}/scopes", {"scopes": ["findings:read"]}).status_code == 302
    client.refresh_from_db()
    assert client.get_scopes() == ["findings:read"]
    assert secret_in(ada.post(f"{path}/secret"))
    assert ada.post(f"{path}/delete").status_code == 302


@pytest.mark.usefixtures("valid_license")
def test_new_power_asks_for_the_password(administrator_client: Client) -> None:
    client = OAuthClient.objects.create(name="pipeline", scopes="findings:read")
    for path, sent in (
        ("create", PIPELINE | {"name": "other"}),
        (f"{client.pk}/secret", {}),
        (f"{client.pk}/scopes", PIPELINE),
    ):
        asked = administrator_client.post(f"/clients/{path}", sent)
        assert asked["Location"].startswith("/accounts/reauthenticate/")
    assert OAuthClient.objects.get().secret == client.secret


def test_the_last_use_costs_a_write_for_a_token_and_none_for_a_request(
    ada: Client, made: tuple[OAuthClient, str]
) -> None:
    client, secret = made
    assert "Never" in ada.get("/clients").text
    now = timezone.now()
    with travel(now + timedelta(minutes=5), tick=False):
        token = token_of(client, secret)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert reads(token)
        assert not [sql for sql in queries if "UPDATE" in sql["sql"].upper()]
    with travel(now + timedelta(minutes=5, seconds=59), tick=False):
        token_of(client, secret)
    shown = (now + timedelta(minutes=5)).strftime("%H:%M")
    assert shown in ada.get("/clients").text
    with travel(now + timedelta(minutes=7), tick=False):
        token_of(client, secret)
    assert (now + timedelta(minutes=7)).strftime("%H:%M") in ada.get("/clients").text
