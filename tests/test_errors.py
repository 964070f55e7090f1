"""Errors are pages for browsers and problem documents (RFC 9457) for programs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from tests import server as servers
from tests.databases import Databases
from tests.test_health import NO_DATABASE
from threatreaction import urls

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

pytestmark = pytest.mark.one_database  # pages and answers over HTTP

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PROGRAM = {"accept": "*/*"}
SECRET = "what nobody outside may read"
TOO_MUCH = "x" * (1024 * 1024 + 1)


@login_not_required
def fail(request: HttpRequest) -> HttpResponse:
    raise ValueError(SECRET)


urlpatterns = [path("fail", fail), *urls.urlpatterns]
handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500


def ask(client: Client, wrong: str, headers: dict[str, str]) -> Response:
    client.raise_request_exception = False
    match wrong:
        case "400":
            return client.get("/threats", headers={**headers, "host": "elsewhere.example"})
        case "403":
            return client.get("/threats", headers=headers)
        case "403 csrf":
            client.handler.enforce_csrf_checks = True
            return client.post("/license", {"key": "x"}, headers=headers)
        case "405":
            return client.get("/oauth/token", headers=headers)
        case "404":
            return client.get("/nothing/here", headers=headers)
        case "413":
            return Client().post("/accounts/login/", {"login": TOO_MUCH}, headers=headers)
        case _:
            return client.get("/fail", headers=headers)


ERRORS = {
    "400": (400, "bad_request", "The portal could not read this request"),
    "403": (403, "permission_denied", "Your role does not allow this"),
    "403 csrf": (403, "csrf_failed", "This form has expired"),
    "404": (404, "not_found", "Page not found"),
    "405": (405, "method_not_allowed", "This address only receives forms"),
    "413": (413, "body_too_large", "Request too large"),
    "500": (500, "internal_error", "Something went wrong"),
}


@pytest.fixture(autouse=True)
def _with_a_view_that_fails(settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__


@pytest.mark.parametrize("wrong", ERRORS)
def test_a_person_gets_a_page_in_the_portals_dress(stranger_client: Client, wrong: str) -> None:
    status, _, heading = ERRORS[wrong]
    response = ask(stranger_client, wrong, BROWSER)
    page = response.content.decode()
    assert response.status_code == status
    assert f"<h1>{heading}</h1>" in page
    assert 'class="topbar"' in page
    assert SECRET not in page


@pytest.mark.parametrize("wrong", ERRORS)
def test_a_program_gets_a_problem_document(stranger_client: Client, wrong: str) -> None:
    status, code, _ = ERRORS[wrong]
    response = ask(stranger_client, wrong, PROGRAM)
    problem = response.json()
    assert response.headers["Content-Type"] == "application/problem+json"
    assert (response.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert SECRET not in response.content.decode()
    assert Client().get(problem["type"]).status_code == 200


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/events/1/triage", "/events/1"),
        ("/actions/1/undo", "/actions"),
        ("/actions/1/approval", "/actions"),
        ("/actions/allowlist/1/take-back", "/actions/allowlist"),
        ("/threats/preview", "/threats"),
        ("/oauth/token", "/"),
    ],
)
def test_a_browser_at_the_address_of_a_form_is_led_to_its_page(
    viewer_client: Client, path: str, page: str
) -> None:
    response = viewer_client.get(path, headers=BROWSER)
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]
    shown = response.content.decode()
    assert "This address only receives forms" in shown
    assert f'<a class="button primary" href="{page}">' in shown


@pytest.mark.django_db
@pytest.mark.parametrize("wrong", ["400", "500"])
def test_some_pages_do_without_the_database(
    django_assert_num_queries: DjangoAssertNumQueries, wrong: str
) -> None:
    with django_assert_num_queries(0):
        ask(Client(), wrong, BROWSER)


def test_who_has_no_role_learns_whom_to_ask_for_what(stranger_client: Client) -> None:
    page = ask(stranger_client, "403", BROWSER).content.decode()
    assert "have no role yet. Ask an administrator of this portal" in page
    for group in ("viewers", "operators", "administrators"):
        assert f"<dt>{group.capitalize()}</dt>" in page
    assert "change the policy, triage findings, and name AWS accounts" in page


def test_who_has_a_role_learns_which_one_they_lack(viewer_client: Client) -> None:
    page = viewer_client.get("/admin/auth/user/", headers=BROWSER).content.decode()
    assert "have no role yet" not in page
    assert "give you a role with the required permissions" in page


def test_without_a_database_every_method_is_answered(databases: Databases) -> None:
    with servers.running(databases, DATABASE_URL=NO_DATABASE) as server:
        for method, where in (
            ("GET", "/accounts/login/"),
            ("POST", "/threats"),
            ("PUT", "/findings"),
        ):
            document = server.request(method, where)
            assert (document.status_code, document.json()["status"]) == (503, 503)
            assert document.json()["code"] == "database_unavailable"
            page = server.request(method, where, headers=BROWSER)
            assert page.status_code == 503
            assert "The database is unavailable" in page.text
            assert "sqlite" not in document.text + page.text


def test_a_body_that_is_too_large_is_logged_in_one_line(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(client, "413", PROGRAM).status_code == 413
    lines = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(lines) == 1
    assert lines[0].exc_info is None
