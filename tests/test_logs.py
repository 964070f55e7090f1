"""The log as JSON: each line can be read by a program, and by nobody as a secret."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from license import routes
from license.tests.keys import make_license
from license.tests.test_routes import concrete
from tests import server as servers
from tests.databases import CLIENT_SECRET, Databases
from tests.json_log import Log, json_log
from tests.server import Server, manage
from tests.test_errors import SECRET
from tests.undone import undone

pytestmark = pytest.mark.one_database  # the log

TRACE = "Root=1-67891233-abcdef012345678912345678"
KEY = "a-key-that-opens-something"


@pytest.fixture
def log() -> Iterator[Log]:
    """What is logged from now on, as LOG_FORMAT=json writes it."""
    with json_log() as found:
        yield found


def test_a_request_is_one_line_with_who_asked_what(viewer_client: Client, log: Log) -> None:
    answer = viewer_client.get("/threats", {"q": KEY}, headers={"X-Amzn-Trace-Id": TRACE})
    assert answer.headers["X-Request-ID"] == TRACE
    (line,) = log.requests
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert isinstance(line.pop("milliseconds"), int)
    assert line == {
        "level": "INFO",
        "logger": "threatreaction.access",
        "message": "GET /threats 200",
        "request_id": TRACE,
        "user": "vera",
        "method": "GET",
        "path": "/threats",
        "status": 200,
    }


def test_a_program_is_named_by_its_client(program: Any, log: Log) -> None:
    assert program("findings:read").get("/findings").status_code == 200
    (line,) = log.requests
    assert line["client"]
    assert "user" not in line


@pytest.mark.django_db
def test_a_line_written_while_a_request_is_answered_has_its_id(log: Log) -> None:
    answer = Client().get("/no/such/page", headers={"X-Amzn-Trace-Id": TRACE})
    assert answer.status_code == 404
    assert {(line["logger"], line["request_id"]) for line in log.lines} == {
        ("django.request", TRACE),
        ("threatreaction.access", TRACE),
    }


@pytest.mark.django_db
@pytest.mark.parametrize("sent", ["", "x" * 129, 'Root="1"', "a b", "Root=1\x85", "é"])
def test_what_is_no_trace_id_is_replaced(log: Log, sent: str) -> None:
    answer = Client().get("/healthz", headers={"X-Amzn-Trace-Id": sent})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])
    assert log.requests[0]["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.usefixtures("valid_license", "groups")
@pytest.mark.parametrize("method", ["get", "post"])
def test_no_secret_of_a_request_is_in_any_line(
    superuser: User, log: Log, method: str, settings: Settings
) -> None:
    """Every route, by a stranger and by a superuser, with a secret wherever one may be sent."""
    settings.METRICS_TOKEN = "another-token-for-prometheus"
    license_key = make_license()
    sent = {"key": license_key, "password": KEY, "code": KEY, "token": KEY, "client_secret": KEY}
    headers = {"Authorization": f"Bearer {KEY}", "Referer": f"/?{KEY}"}
    for who in (None, superuser):
        client = Client(raise_request_exception=False, headers=headers)
        client.cookies["other"] = KEY
        if who:
            client.force_login(who)
        for route in routes.all_routes():
            path = re.sub(r"\(\?P<key>[^)]*\)", KEY, route.path)
            path = concrete(route._replace(path=path))
            with undone(client):
                getattr(client, method)(f"{path}?token={KEY}", sent)
                getattr(client, method)(f"/nothing{path}", sent)
    assert len(log.requests) == 4 * len(routes.all_routes())
    by_root = [line for line in log.requests if line.get("user") == "root"]
    # A path that does not exist asks for nobody.
    assert len(by_root) > 0.9 * len(routes.all_routes())
    assert KEY not in log.text
    assert license_key not in log.text
    assert settings.METRICS_TOKEN not in log.text


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["/eyJhbGciOiJSUzI1NiJ9.eyJqdGkiOiJ4In0.c2ln", f"/threats/%3Ftoken={KEY}"]
)
def test_a_secret_in_the_wrong_place_is_masked(log: Log, path: str) -> None:
    assert Client().get(path).status_code == 404
    assert path.removeprefix("/") not in log.text
    assert KEY not in log.text
    assert "***" in log.requests[0]["path"]


@pytest.mark.urls("tests.test_errors")
def test_a_failure_is_told_by_its_place_and_not_by_its_text(superuser: User, log: Log) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(superuser)
    assert client.get("/fail").status_code == 500
    (line,) = [line for line in log.lines if "exception" in line]
    assert line["exception"].splitlines()[0] == "ValueError"
    assert re.search(r"test_errors\.py:\d+ in fail$", line["exception"])
    assert SECRET not in log.text


def test_what_led_to_an_exception_is_told_too(log: Log) -> None:
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise RuntimeError(SECRET) from error
    except RuntimeError:
        logging.getLogger("license").exception("It failed.\nTwice.")
    (line,) = log.lines
    assert [one for one in line["exception"].splitlines() if one[0] != " "] == [
        "KeyError",
        "RuntimeError",
    ]
    assert SECRET not in log.text


def test_each_line_of_a_server_is_json(databases: Databases) -> None:
    metrics_token = "another-token-for-prometheus"
    with servers.running(databases, LOG_FORMAT="json", METRICS_TOKEN=metrics_token) as server:
        assert server.request("GET", "/threats?q=" + KEY).status_code == 302
        assert server.request("GET", "/accounts/password/reset/key/1-" + KEY).status_code == 301
        access_token = server.access_token()
        bearer = {"Authorization": f"Bearer {access_token}"}
        assert server.request("GET", "/findings", headers=bearer).status_code == 200
        body = {"policies": [{"finding_type": KEY}]}
        assert server.request("PUT", "/findings", json=body, headers=bearer).status_code == 403
        bearer = {"Authorization": f"Bearer {metrics_token}"}
        assert server.request("GET", "/metrics?q=" + KEY, headers=bearer).status_code == 200
    lines = [json.loads(line) for line in server.log.splitlines()]
    assert {"gunicorn.error", "threatreaction.access"} <= {line.get("logger") for line in lines}
    assert [line["path"] for line in lines if line.get("path", "/healthz") != "/healthz"] == [
        "/threats",
        "/accounts/password/reset/key/***",
        "/oauth/token",
        "/findings",
        "/findings",
        "/metrics",
    ]
    for secret in (KEY, CLIENT_SECRET, access_token, metrics_token):
        assert secret not in server.log


def test_each_line_of_a_worker_is_json_and_it_tells_the_license(
    databases: Databases, tmp_path: Path
) -> None:
    path = tmp_path / "log"
    with databases.copy() as url:
        environment = databases.environment(url) | {"LOG_FORMAT": "json"}
        with servers.worker(environment, path) as process:
            deadline = time.monotonic() + 60
            while "license.notices" not in path.read_text() and time.monotonic() < deadline:
                time.sleep(0.05)
            process.terminate()
            assert process.wait(60) == 0
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    first, *told, last = [line["message"] for line in lines]
    assert first.startswith("Queue: none")
    assert told.pop(0).startswith("Writes are off.")
    assert all(one.startswith("Journal ") for one in told)  # the heads, if it got that far
    assert last == "Stopped."


def test_by_default_the_log_is_text_and_requests_are_not_in_it(server: Server) -> None:
    assert server.request("GET", "/threats").headers["X-Request-ID"]
    assert server.request("GET", "/no/such/page").status_code == 404
    assert "WARNING django.request: Not Found: /no/such/page" in server.log
    assert "/threats" not in server.log


def test_a_format_that_is_none_is_refused(databases: Databases) -> None:
    done = manage(databases.environment("sqlite:///x") | {"LOG_FORMAT": "xml"}, "check")
    assert done.returncode == 3
    assert "LOG_FORMAT must be text or json; it is 'xml'." in done.stderr


@pytest.mark.parametrize("token", ["short", "sixteen letters and spaces", "ünïcödeünïcödeünïcöde"])
def test_a_metrics_token_that_is_too_weak_is_refused_without_being_told(
    databases: Databases, token: str
) -> None:
    done = manage(databases.environment("sqlite:///x") | {"METRICS_TOKEN": token}, "check")
    assert done.returncode == 3
    assert "METRICS_TOKEN must be 16 or more characters" in done.stderr
    assert token not in done.stderr
