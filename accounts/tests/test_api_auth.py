"""Authentication and authorization of API callers. findings/tests cover GET and PUT."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.idp.oidc.models import Client as OAuthClient
from allauth.idp.oidc.models import Token
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

pytestmark = [
    pytest.mark.usefixtures("valid_license", "groups"),
    pytest.mark.one_database,
]  # answers of the API

BODY: dict[str, Any] = {"policies": []}


def put(client: Client, **headers: str) -> Any:
    return client.put("/findings", BODY, content_type="application/json", headers=headers)


@pytest.fixture
def token() -> Callable[..., str]:
    def with_scopes(*scopes: str, **attributes: Any) -> str:
        client = OAuthClient.objects.create(name="pipeline", scopes="\n".join(scopes))
        granted = Token(
            client=client,
            type=Token.Type.ACCESS_TOKEN,
            expires_at=timezone.now() + timedelta(hours=1),
            scopes="\n".join(scopes),
        )
        for name, value in attributes.items():
            setattr(granted, name, value)
        granted.set_value("the-token")
        granted.save()
        return "Bearer the-token"

    return with_scopes


def assert_problem(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer["Content-Type"] == "application/problem+json"


def test_nobody_is_asked_who_they_are(client: Client) -> None:
    for answer in (client.get("/findings"), put(client)):
        assert_problem(answer, 401, "unauthenticated")
        assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("who", "reads", "writes"),
    [("stranger", 403, 403), ("viewer", 200, 403), ("operator", 200, 200)],
)
def test_permissions_decide_for_people(
    who: str, reads: int, writes: int, request: pytest.FixtureRequest
) -> None:
    browser: Client = request.getfixturevalue(f"{who}_client")
    answers = {browser.get("/findings"): reads, put(browser): writes}
    for answer, status in answers.items():
        assert answer.status_code == status
        if status == 403:
            assert_problem(answer, 403, "permission_denied")


@pytest.mark.parametrize(
    ("scope", "reads", "writes"), [("findings:read", 200, 403), ("findings:write", 403, 200)]
)
def test_scopes_decide_for_programs(
    scope: str, reads: int, writes: int, token: Callable[..., str], client: Client
) -> None:
    header = {"Authorization": token(scope)}
    for answer, status, needed in (
        (client.get("/findings", headers=header), reads, "findings:read"),
        (put(client, **header), writes, "findings:write"),
    ):
        assert answer.status_code == status
        if status == 403:
            assert_problem(answer, 403, "insufficient_scope")
            assert needed in answer.json()["detail"]
            assert f'scope="{needed}"' in answer["WWW-Authenticate"]


def test_a_session_writes_only_from_our_own_pages(operator: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(operator)
    assert browser.get("/findings").status_code == 200
    assert_problem(put(browser), 403, "csrf_failed")
    browser.get("/accounts/2fa/")
    csrf = browser.cookies["csrftoken"].value
    assert put(browser, **{"X-CSRFToken": csrf}).status_code == 200
    assert_problem(put(browser, **{"X-CSRFToken": csrf[::-1]}), 403, "csrf_failed")


def test_a_program_needs_no_csrf_token(token: Callable[..., str]) -> None:
    program = Client(enforce_csrf_checks=True)
    assert put(program, Authorization=token("findings:write")).status_code == 200


@pytest.mark.parametrize(
    "value", ["Bearer nonsense", "bearer", "Bearer ", "BEARER a b", "Bearer é"]
)
def test_a_bad_token_is_not_ignored_for_a_session(value: str, operator_client: Client) -> None:
    answer = operator_client.get("/findings", headers={"Authorization": value})
    assert_problem(answer, 401, "unauthenticated")
    assert "invalid_token" in answer["WWW-Authenticate"]


@pytest.mark.parametrize("address", ["/findings?access_token=the-token", "/findings?x=%zz"])
def test_a_token_in_the_address_counts_for_nothing(
    address: str, token: Callable[..., str], client: Client
) -> None:
    token("findings:read")
    assert client.get(address).status_code == 401


def test_a_token_of_another_kind_is_no_access_token(
    token: Callable[..., str], client: Client
) -> None:
    header = token("findings:read", type=Token.Type.REFRESH_TOKEN)
    assert client.get("/findings", headers={"Authorization": header}).status_code == 401


def test_an_expired_token_is_refused(token: Callable[..., str], client: Client) -> None:
    header = token("findings:read", expires_at=timezone.now())
    assert client.get("/findings", headers={"Authorization": header}).status_code == 401


def test_an_inactive_user_is_nobody(operator: User, operator_client: Client) -> None:
    User.objects.filter(pk=operator.pk).update(is_active=False)
    assert operator_client.get("/findings").status_code == 401


def test_a_token_of_a_person_opens_nothing(
    token: Callable[..., str], operator: User, client: Client
) -> None:
    header = token("findings:read", user=operator)
    assert client.get("/findings", headers={"Authorization": header}).status_code == 401
