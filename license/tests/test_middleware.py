"""Tests of the responses to writes that the license refuses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from conftest import install
from license.models import License
from license.tests import keys
from license.tests.keys import make_license

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # answers over HTTP

JSON = "application/json"


def missing() -> None:
    pass


def expired() -> None:
    install(make_license(not_before=keys.now() - timedelta(days=30)))


def queued() -> None:
    install(make_license(begins=timedelta(days=1)))


def other_account() -> None:
    install(make_license(aws_account_id="210987654321"))


def revoked() -> None:
    install(make_license(jti="replacement", revokes=["a"], days=1, begins=timedelta(days=-2)))
    install(make_license(jti="a"))


def forged() -> None:
    install(make_license(signing_key=keys.other_key()))


def garbled() -> None:
    install("nonsense")


STATES: dict[str, Callable[[], None]] = {
    "license_missing": missing,
    "license_expired": expired,
    "license_not_yet_valid": queued,
    "license_wrong_account": other_account,
    "license_revoked": revoked,
    "license_bad_signature": forged,
    "license_malformed": garbled,
}


def put(client: Client, **headers: str) -> Any:
    return client.put("/findings", {"policies": []}, content_type=JSON, headers=headers)


@pytest.mark.parametrize("code", STATES)
def test_a_program_gets_a_problem_document(operator_client: Client, code: str) -> None:
    STATES[code]()
    answer = put(operator_client)
    document = answer.json()
    assert answer.status_code == 403
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Cache-Control"] == "no-store"
    assert answer["Link"] == '</license>; rel="help"'
    assert "Retry-After" not in answer
    assert document["code"] == code
    assert document["status"] == 403
    assert document["type"] == f"http://testserver/problems/{code.replace('_', '-')}"
    assert document["license_url"] == "http://testserver/license"
    assert document["title"]
    assert "Writes are disabled" in document["detail"]


def test_the_document_says_since_when(operator_client: Client) -> None:
    begins = keys.now() - timedelta(days=30)
    install(make_license(not_before=begins))
    document = put(operator_client).json()
    ended = f"{begins + timedelta(days=30):%Y-%m-%dT%H:%M:%SZ}"
    assert document["expires_at"] == ended
    assert ended in document["detail"]


def test_the_document_says_from_when_on(operator_client: Client, client: Client) -> None:
    begins = keys.now() + timedelta(days=1)
    install(make_license(not_before=begins))
    assert put(operator_client).json()["not_before"] == f"{begins:%Y-%m-%dT%H:%M:%SZ}"
    assert "not_before" not in put(client).json()


@pytest.mark.parametrize("code", STATES)
def test_a_stranger_learns_the_code_and_the_links_and_nothing_else(
    client: Client, code: str
) -> None:
    STATES[code]()
    for headers in ({}, {"Authorization": "Bearer x"}):
        document = put(client, **headers).json()
        assert document["code"] == code
        assert document.keys() == {"type", "title", "status", "code", "detail", "license_url"}
        assert not any(digit in document["detail"] for digit in "0123456789")


def test_a_person_gets_a_page_and_loses_nothing(administrator_client: Client) -> None:
    typed = {"name": "<Ops & Co>", "groups": ["1", "2"], "password1": "s3cret", "api_key": "k3y"}
    page = administrator_client.post(
        "/admin/auth/group/add/", typed, headers={"Accept": "text/html"}
    )
    text = page.content.decode()
    assert page.status_code == 403
    assert page["Cache-Control"] == "no-store"
    assert "&lt;Ops &amp; Co&gt;" in text
    assert text.count('name="groups"') == 2
    assert "s3cret" not in text
    assert "k3y" not in text
    assert 'href="/license"' in text


def test_reading_goes_on_and_so_does_what_is_saved(
    operator_client: Client, valid_license: License, settings: Settings
) -> None:
    block = {"finding_type": "Recon:EC2/Portscan", "severity": "HIGH", "action": "BLOCK"}
    operator_client.put("/findings", {"policies": [block]}, content_type=JSON)
    settings.AWS_ACCOUNT_ID = "210987654321"
    for method in (operator_client.get, operator_client.head, operator_client.options):
        assert method("/threats").status_code in {200, 405}
    assert operator_client.get("/findings").json()["policies"] == [block | {"service": None}]
    assert put(operator_client).status_code == 403


@pytest.mark.parametrize("accept", ["", "*/*", JSON, "application/problem+json", "text/plain"])
def test_whoever_does_not_ask_for_html_is_a_program(operator_client: Client, accept: str) -> None:
    assert put(operator_client, Accept=accept)["Content-Type"] == "application/problem+json"


def test_a_browser_is_a_person(operator_client: Client) -> None:
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    assert put(operator_client, Accept=accept)["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    "dodge",
    [
        {"HTTP_X_HTTP_METHOD_OVERRIDE": "GET"},
        {"QUERY_STRING": "_method=GET"},
        {"HTTP_X_ORIGINAL_URL": "/accounts/login/"},
        {"SCRIPT_NAME": "/accounts/login"},
        {"HTTP_HOST": "testserver"},
    ],
    ids=str,
)
def test_no_header_makes_a_write_look_like_something_else(
    operator_client: Client, dodge: dict[str, str]
) -> None:
    answer = operator_client.generic("PUT", "/findings", b"{}", JSON, **dodge)  # type: ignore[arg-type]
    assert answer.status_code in {403, 404}
    assert answer.status_code == 404 or answer.json()["code"] == "license_missing"


def test_a_method_that_nobody_knows_is_a_write(operator_client: Client) -> None:
    answer = operator_client.generic("FROBNICATE", "/threats")
    assert answer.status_code == 403


def test_the_status_costs_nothing_where_nobody_asks(
    client: Client, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        assert client.get("/healthz").status_code == 200


def test_the_status_is_told_in_the_short_form_to_a_stranger(
    client: Client, viewer_client: Client
) -> None:
    install(make_license(customer="Ops"))
    assert client.get("/license/status").json() == {
        "status": "valid",
        "allows_writes": True,
        "code": None,
        "license_url": "http://testserver/license",
    }
    whole = viewer_client.get("/license/status").json()
    assert (whole["plan"], whole["customer"], whole["account_id"]) == ("paid", "Ops", keys.ACCOUNT)


def test_the_status_is_told_whole_to_a_program_with_the_scope(
    program: Callable[[str], Client],
) -> None:
    install(make_license(customer="Ops", days=30.5))
    whole = program("license:read").get("/license/status").json()
    assert (whole["days_left"], whole["customer"], whole["account_id"]) == (30, "Ops", keys.ACCOUNT)
    short = program("findings:read").get("/license/status").json()
    assert short.keys() == {"status", "allows_writes", "code", "license_url"}


def test_a_monitor_learns_that_its_token_is_not_valid(client: Client) -> None:
    answer = client.get("/license/status", headers={"Authorization": "Bearer x"})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
