from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from accounts.tests.browser import confirm_password, is_signed_in, sign_in, totp

pytestmark = [
    pytest.mark.usefixtures("valid_license"),
    pytest.mark.one_database,
]  # pages of the second factor


def enrol(client: Client) -> str:
    """Sets up an authenticator app and returns its secret."""
    confirm_password(client)
    secret: str = client.get("/accounts/2fa/totp/activate/").context["form"].secret
    done = client.post("/accounts/2fa/totp/activate/", {"code": totp(secret)})
    assert done.status_code == 302
    return secret


def test_setting_up_asks_for_the_password_again(viewer_client: Client) -> None:
    answer = viewer_client.get("/accounts/2fa/totp/activate/")
    assert answer["Location"].startswith("/accounts/reauthenticate/")


def test_a_wrong_code_turns_nothing_on(viewer: User, viewer_client: Client) -> None:
    confirm_password(viewer_client)
    viewer_client.get("/accounts/2fa/totp/activate/")
    viewer_client.post("/accounts/2fa/totp/activate/", {"code": "000000"})
    assert not Authenticator.objects.filter(user=viewer).exists()


def test_then_a_password_alone_signs_nobody_in(
    viewer: User, viewer_client: Client, client: Client
) -> None:
    secret = enrol(viewer_client)
    assert sign_in(client, "vera")["Location"] == "/accounts/2fa/authenticate/"
    assert not is_signed_in(client)
    client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert not is_signed_in(client)
    with time_machine.travel(timezone.now() + timedelta(seconds=31), tick=False):
        client.post("/accounts/2fa/authenticate/", {"code": totp(secret)})
    assert is_signed_in(client)


def test_a_code_works_once(viewer: User, viewer_client: Client) -> None:
    secret = enrol(viewer_client)
    browsers = [Client(), Client()]
    with time_machine.travel(timezone.now() + timedelta(seconds=31), tick=False):
        for browser in browsers:
            sign_in(browser, "vera")
            browser.post("/accounts/2fa/authenticate/", {"code": totp(secret)})
    assert [is_signed_in(browser) for browser in browsers] == [True, False]


def test_a_recovery_code_signs_in_once(viewer: User, viewer_client: Client) -> None:
    enrol(viewer_client)
    code = viewer_client.get("/accounts/2fa/recovery-codes/").context["unused_codes"][0]
    browsers = [Client(), Client()]
    for browser in browsers:
        sign_in(browser, "vera")
        browser.post("/accounts/2fa/authenticate/", {"code": code})
    assert [is_signed_in(browser) for browser in browsers] == [True, False]


def test_guessing_codes_is_rate_limited(viewer: User, viewer_client: Client) -> None:
    secret = enrol(viewer_client)
    client = Client()
    sign_in(client, "vera")
    for _ in range(10):
        client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    with time_machine.travel(timezone.now() + timedelta(seconds=31), tick=False):
        client.post("/accounts/2fa/authenticate/", {"code": totp(secret)})
    assert not is_signed_in(client)


def test_the_sign_in_page_offers_a_passkey(client: Client, groups: None) -> None:
    page = client.get("/accounts/login/").content.decode()
    assert 'data-passkey="get"' in page
    challenge = client.get("/accounts/2fa/webauthn/login/", headers={"accept": "application/json"})
    assert challenge.json()["request_options"]["publicKey"]["challenge"]


@pytest.mark.parametrize(
    "credential",
    ["", "null", "[]", "{}", "1", '{"id": 1}', '{"rawId": "AA", "response": []}', "x"],
)
def test_a_forged_passkey_signs_nobody_in(credential: str, viewer: User, client: Client) -> None:
    answer = client.post("/accounts/2fa/webauthn/login/", {"credential": credential})
    assert answer.status_code == 302
    assert not is_signed_in(client)
