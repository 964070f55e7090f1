"""Tests over HTTP: large bodies, no database, concurrent writers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from psycopg import sql

from license.tests.keys import make_license
from tests.databases import PASSWORD, Databases
from tests.server import Server

HUGE = b"x" * (50 * 1024 * 1024)
HTML = {"Accept": "text/html"}
TYPE = "UnauthorizedAccess:EC2/SSHBruteForce"


def of_a_signed_in_browser(server: Server) -> dict[str, str]:
    """Return the headers of a form that the browser of a signed-in administrator sends."""
    browser = requests.Session()
    browser.get(f"{server.url}/accounts/login/", timeout=30)
    token = {"X-CSRFToken": browser.cookies["csrftoken"], "Referer": server.url}
    who = {"login": "ada", "password": PASSWORD}
    browser.post(f"{server.url}/accounts/login/", who, headers=token, timeout=30)
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
    assert "sessionid" in cookies
    return {**token, "X-CSRFToken": browser.cookies["csrftoken"], "Cookie": cookies}


CALLERS: dict[str, Callable[[Server], dict[str, str]]] = {
    "stranger": lambda server: {},
    "program": lambda server: {"Authorization": f"Bearer {server.access_token()}"},
    "browser": of_a_signed_in_browser,
}


def test_a_head_request_is_answered_as_get_and_not_logged(server: Server) -> None:
    got, headed = (server.request(method, "/problems/not-found") for method in ("GET", "HEAD"))
    assert (headed.status_code, headed.content) == (200, b"")
    assert headed.headers["Content-Length"] == got.headers["Content-Length"]
    assert "WARNING" not in server.log


@pytest.mark.parametrize(
    ("caller", "licensed"), [("stranger", False), ("program", False), ("browser", True)]
)
def test_fifty_megabytes_are_refused_unread(server: Server, caller: str, licensed: bool) -> None:
    if licensed:
        server.install(make_license())
    credentials = CALLERS[caller](server)
    for method, path, content_type in (
        ("PUT", "/findings", "application/json"),
        ("POST", "/license", "application/x-www-form-urlencoded"),
        ("POST", "/license", "multipart/form-data; boundary=x"),
        ("POST", "/accounts/login/", "application/x-www-form-urlencoded"),
        ("POST", "/accounts/login/", "multipart/form-data; boundary=x"),
        ("POST", "/oauth/token", "application/x-www-form-urlencoded"),
    ):
        headers = {"Content-Type": content_type, **credentials}
        began = time.monotonic()
        try:
            answer = server.request(method, path, data=HUGE, headers=headers)
        except requests.ConnectionError:
            pass  # it was answered, and hung up on, before all of it was sent
        else:
            assert 400 <= answer.status_code < 500, (method, path)
        assert time.monotonic() - began < 10
    assert server.request("GET", "/readyz").ok
    assert "Internal Server Error" not in server.log
    assert "WORKER TIMEOUT" not in server.log


@contextmanager
def without_database(server: Server, databases: Databases) -> Iterator[None]:
    """Make the database unavailable: remove the file, or refuse connections. Restore it after."""
    url = server.environment["DATABASE_URL"]
    if not databases.is_postgresql:
        path = Path(url.removeprefix("sqlite:///"))
        away = path.with_suffix(".away")
        path.rename(away)
        path.mkdir()  # else SQLite would make an empty file
        try:
            yield
        finally:
            path.rmdir()
            away.rename(path)
        return
    name = sql.Identifier(urlsplit(url).path.rpartition("/")[2])
    with databases.connect() as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [urlsplit(url).path.rpartition("/")[2]],
        )
        try:
            yield
        finally:
            connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))


@pytest.mark.every_database
def test_without_its_database_the_portal_says_so_and_recovers(
    server: Server, databases: Databases
) -> None:
    server.install(make_license())
    bearer = {"Authorization": f"Bearer {server.access_token()}"}
    body = {"policies": [{"finding_type": TYPE, "action": "BLOCK"}]}
    cookie = {"Cookie": f"sessionid={'a' * 32}"}  # looks like a session, so it is looked up
    with without_database(server, databases):
        assert server.request("GET", "/healthz").status_code == 200
        assert server.request("GET", "/readyz").status_code == 503
        page = server.request("GET", "/threats", headers=HTML | cookie)
        assert page.status_code == 503
        assert "Threat Reaction" in page.text
        refused = server.request("PUT", "/findings", json=body, headers=bearer)
        assert refused.status_code in {500, 503}
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert "Traceback" not in page.text + refused.text
        assert server.manage("license").returncode == 3  # it cannot tell
    assert server.request("GET", "/readyz").status_code == 200
    answer = server.request("PUT", "/findings", json=body, headers=bearer)
    assert answer.status_code == 200
    assert [change["to"] for change in answer.json()["changed"]] == ["BLOCK"]


def at_once(count: int, call: Callable[[int], requests.Response]) -> list[requests.Response]:
    start = threading.Barrier(count)
    answers: list[requests.Response] = []

    def run(number: int) -> None:
        start.wait()
        answers.append(call(number))

    threads = [threading.Thread(target=run, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_a_body_in_chunks_is_told_to_say_its_length(server: Server) -> None:
    server.install(make_license())
    bearer = {"Authorization": f"Bearer {server.access_token()}"}
    headers = bearer | {"Content-Type": "application/json"}
    answer = server.request("PUT", "/findings", data=iter([b'{"policies": []}']), headers=headers)
    assert answer.status_code == 400
    assert "no Content-Length" in answer.json()["detail"]


@pytest.mark.every_database
def test_of_several_writers_with_one_tag_one_wins(server: Server) -> None:
    server.install(make_license())
    bearer = {"Authorization": f"Bearer {server.access_token()}"}
    tag = server.request("GET", "/findings", headers=bearer).headers["ETag"]

    def write(number: int) -> requests.Response:
        action = ["IGNORE", "BLOCK", "SAVE", "REPORT"][number]
        body = {"policies": [{"finding_type": TYPE, "action": action}]}
        return server.request("PUT", "/findings", json=body, headers=bearer | {"If-Match": tag})

    answers = at_once(4, write)
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
    won = next(answer for answer in answers if answer.ok).json()["changed"][0]["to"]
    policies = server.request("GET", "/findings", headers=bearer).json()["policies"]
    assert [policy["action"] for policy in policies] == [won]


@pytest.mark.every_database
def test_bodies_at_once_are_applied_whole(server: Server) -> None:
    server.install(make_license())
    bearer = {"Authorization": f"Bearer {server.access_token()}"}
    severities = ["LOW", "MEDIUM", "HIGH", "CRITICAL"]

    def write(number: int) -> requests.Response:
        action = ["IGNORE", "BLOCK", "SAVE", "REPORT"][number]
        policies = [
            {"service": service, "severity": severity, "action": action}
            for service in ("EC2", "S3", "Runtime", "Lambda")
            for severity in severities
        ]
        return server.request("PUT", "/findings", json={"policies": policies}, headers=bearer)

    assert {answer.status_code for answer in at_once(4, write)} == {200}
    policies = server.request("GET", "/findings", headers=bearer).json()["policies"]
    assert len(policies) == 16
    assert len({policy["action"] for policy in policies}) == 1
