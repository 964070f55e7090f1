from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

pytestmark = [
    pytest.mark.usefixtures("valid_license"),
    pytest.mark.one_database,
]  # routes that do not exist

SOMEBODY = {
    "username": "mallory",
    "email": "mallory@example.com",
    "password1": "an entirely different sentence",
    "password2": "an entirely different sentence",
}


def test_the_sign_in_page_offers_no_sign_up(client: Client) -> None:
    assert "/accounts/signup/" not in client.get("/accounts/login/").content.decode()


def test_the_sign_up_page_says_who_makes_accounts(client: Client) -> None:
    assert "created by an administrator" in client.get("/accounts/signup/").content.decode()


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/signup/",
        "/accounts/signup/passkey/",
        "/accounts/2fa/webauthn/signup/",
        "/accounts/3rdparty/signup/",
    ],
)
def test_no_route_makes_a_user(path: str, client: Client) -> None:
    client.post(path, SOMEBODY)
    client.post(path, SOMEBODY, content_type="application/json")
    assert not User.objects.exists()
