"""Unauthenticated writes are rate limited per address; other callers are not affected."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings
from time_machine import travel

from accounts.tests.browser import is_signed_in, sign_in
from accounts.tests.test_oauth_token import make_client, obtain
from license import routes
from license.tests import keys
from license.tests.test_routes import concrete

pytestmark = [
    pytest.mark.usefixtures("valid_license", "groups"),
    pytest.mark.one_database,
]  # answers over HTTP

HTML = {"accept": "text/html"}
LIMIT = 60


@pytest.fixture(autouse=True)
def _limit(settings: Settings) -> None:
    settings.ANONYMOUS_WRITE_RATE = f"{LIMIT}/m/ip"


def put(client: Client, **headers: str) -> Any:
    body: dict[str, Any] = {"policies": []}
    return client.put("/findings", body, content_type="application/json", headers=headers)


WRITES: dict[str, Callable[[Client], Any]] = {
    "PUT without a token": put,
    "PUT with a wrong token": partial(put, Authorization="Bearer wrong"),
    "sign-in": partial(sign_in, login="nobody", password="not it"),
    "password reset": lambda client: client.post("/accounts/password/reset/", {"email": "a@b.c"}),
    "passkey": lambda client: client.post("/accounts/2fa/webauthn/login/", {}),
    "token": lambda client: obtain(client, "nobody", "wrong"),
    "revocation": lambda client: client.post("/oauth/revoke", {"token": "x"}),
    "nowhere": lambda client: client.post("/nowhere"),
    "license": lambda client: client.post("/license", {"key": "x"}),
}


@pytest.mark.parametrize("write", WRITES)
def test_too_many_are_answered_429_with_retry_after(client: Client, write: str) -> None:
    answers = [WRITES[write](client) for _ in range(LIMIT + 1)]
    assert answers[0].status_code != 429
    assert answers[-1].status_code == 429
    waits = {int(answer["Retry-After"]) for answer in answers if answer.status_code == 429}
    assert 0 < min(waits) <= max(waits) <= 60


def test_the_answer_is_a_problem_or_a_page(client: Client) -> None:
    with travel(keys.now(), tick=False) as clock:
        for _ in range(LIMIT):
            put(client)
        clock.shift(15)
        refused = put(client)
        page = client.post("/license", headers=HTML)
        clock.shift(45)
        assert put(client).status_code == 401
    assert refused.json()["code"] == "too_many_requests"
    assert "Try again in 45 seconds." in refused.json()["detail"]
    assert refused["Retry-After"] == page["Retry-After"] == "45"
    assert "Try again in 45 seconds." in page.content.decode()


def test_whoever_is_known_goes_on_from_the_same_address(
    client: Client, operator_client: Client, program: Callable[[str], Client]
) -> None:
    for _ in range(LIMIT + 1):
        put(client)
    assert put(client).status_code == 429
    assert put(operator_client).status_code == 200
    assert put(program("findings:write")).status_code == 200
    assert client.get("/accounts/login/").status_code == 200
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    sign_in(elsewhere, "nobody", "not it")
    assert put(elsewhere).status_code == 401


def test_ten_wrong_secrets_are_judged_and_right_ones_do_not_count(client: Client) -> None:
    client_id, secret = make_client("findings:read")
    assert {obtain(client, client_id, secret).status_code for _ in range(15)} == {200}
    basic = base64.b64encode(f"{client_id}:wrong".encode()).decode()
    header = {"Authorization": f"Basic {basic}"}
    wrong = [obtain(client, client_id, "wrong").status_code for _ in range(9)]
    wrong += [client.post("/oauth/revoke", {"token": "x"}, headers=header).status_code]
    assert wrong == [401] * 10
    refused = obtain(client, client_id, "wrong")
    assert refused.status_code == 429
    assert 0 < int(refused["Retry-After"]) <= 60
    assert refused.json()["error"] == "temporarily_unavailable"


@pytest.mark.parametrize("method", routes.UNSAFE_METHODS)
def test_no_exempt_route_is_without_the_limit(
    client: Client, settings: Settings, method: str
) -> None:
    settings.ANONYMOUS_WRITE_RATE = "1/m/ip"
    put(client)
    exempt = [concrete(route) for route in routes.all_routes() if route.exempt_by]
    answers = {path: client.generic(method, path) for path in exempt}
    assert len(answers) > 20
    assert {answer.status_code for answer in answers.values()} == {429}
    assert all(0 < int(answer["Retry-After"]) <= 60 for answer in answers.values())


@pytest.mark.parametrize(
    ("proxies", "forwarded", "is_the_same"),
    [
        (0, "192.0.2.{}", True),  # nobody is believed
        (1, "192.0.2.{}, 198.51.100.7", True),  # the proxy adds the last
        (1, "198.51.100.7, 192.0.2.{}", False),
        (2, "192.0.2.{}, 198.51.100.7, 10.0.0.1", True),
    ],
)
def test_only_a_trusted_proxy_says_whose_request_it_is(
    client: Client, settings: Settings, proxies: int, forwarded: str, is_the_same: bool
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    settings.ANONYMOUS_WRITE_RATE = "5/m/ip"
    headers = [{"X-Forwarded-For": forwarded.format(number)} for number in range(6)]
    last = [put(client, **header).status_code for header in headers][-1]
    assert (last == 429) is is_the_same


def test_signing_in_ends_the_count(client: Client, operator: Any) -> None:
    sign_in(client, "oscar")
    assert is_signed_in(client)
    assert {put(client).status_code for _ in range(LIMIT + 5)} == {200}
