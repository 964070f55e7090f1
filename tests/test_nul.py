"""Invalid numbers and NUL, which PostgreSQL rejects, do not cause a 5xx."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.test import Client

from accounts.tests.browser import confirm_password
from license import routes
from license.tests.test_routes import concrete

pytestmark = pytest.mark.usefixtures("valid_license", "groups")

WHO = pytest.mark.parametrize("who", ["client", "superuser_client"])
POSTS: list[tuple[str, dict[str, str]]] = [
    *(
        (path, {"action": action, "_selected_action": name})
        for path, action in [
            ("/admin/allauth_idp_oidc/client/", "delete_selected"),
            ("/admin/auth/user/", "remove_second_factors"),
        ]
        for name in ("\0", "x", "9" * 40)
    ),
    ("/admin/auth/user/add/", {"username": "a\0b", "email": "a\0@example.com"}),
    ("/accounts", {"account_id": "123456789012", "name": "a\0"}),
    ("/license", {"key": "a\0"}),
    ("/accounts/login/", {"login": "a\0", "password": "b\0"}),
    ("/accounts/password/reset/", {"email": "a\0@example.com"}),
    ("/oauth/token", {"grant_type": "client_credentials", "client_id": "\0", "client_secret": "x"}),
]


@pytest.fixture
def browser(who: str, request: pytest.FixtureRequest) -> Client:
    client: Client = request.getfixturevalue(who)
    if who == "superuser_client":
        confirm_password(client)  # the admin asks for it
    client.raise_request_exception = False
    return client


# An administrator reaches the same queries, and more.
@pytest.mark.parametrize(
    "who", [pytest.param("client", marks=pytest.mark.one_database), "superuser_client"]
)
def test_in_the_path(browser: Client) -> None:
    paths = {
        concrete(route._replace(path=route.path.replace("<", text + "<")))
        for route in routes.all_routes()
        for text in ("%00", "_00", "9" * 40)  # the admin reads _00 as %00
    }
    failed = [
        (method, path)
        for path in sorted(paths)
        for method in ("GET", "POST")
        if browser.generic(method, path).status_code >= 500
    ]
    assert failed == []


@WHO
def test_in_a_form(browser: Client) -> None:
    failed = [(path, sent) for path, sent in POSTS if browser.post(path, sent).status_code >= 500]
    assert failed == []


@WHO
def test_in_what_the_admin_completes(browser: Client) -> None:
    asked = {"app_label": "license", "model_name": "license", "field_name": "installed_by"}
    answer = browser.get("/admin/autocomplete/", {**asked, "term": "a\0"})
    assert answer.status_code in {302, 400}


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke"])
def test_in_the_name_of_a_client(client: Client, path: str) -> None:
    sent: dict[str, Any] = {"grant_type": "client_credentials", "token": "x"}
    basic = base64.b64encode(b"a\0b:secret").decode()
    answer = client.post(path, sent, headers={"Authorization": f"Basic {basic}"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
