"""What the answers of a server mean, and servers that behave badly."""

from __future__ import annotations

import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from notifications.destinations import KINDS, https
from notifications.tests.receiver import Receiver, drip, receiver
from notifications.tests.sending import MESSAGE, TOKEN, send


@pytest.mark.parametrize(
    ("status", "headers", "retry", "retry_after"),
    [
        (400, {}, False, None),
        (404, {"Retry-After": "5"}, False, None),
        (410, {}, False, None),
        (408, {}, True, None),
        (429, {"Retry-After": "7"}, True, 7),
        (429, {"Retry-After": "99999999"}, True, 86400),
        (429, {"Retry-After": "soon"}, True, None),
        (500, {}, True, None),
        (503, {"Retry-After": "-3"}, True, None),
        (599, {}, True, None),
    ],
)
def test_the_status_says_whether_to_try_again(
    webhook_server: Receiver,
    status: int,
    headers: dict[str, str],
    retry: bool,
    retry_after: float | None,
) -> None:
    webhook_server.status, webhook_server.headers = status, headers
    webhook_server.body = b"no\x1b[31m\r\nway"
    answer = send("webhook", webhook_server)
    assert (answer.delivered, answer.retry, answer.retry_after) == (False, retry, retry_after)
    assert answer.text.startswith(f"HTTP {status}")
    assert answer.text.endswith(": no[31m way")


def test_retry_after_can_be_a_date(webhook_server: Receiver) -> None:
    webhook_server.status = 503
    at = datetime.now(UTC) + timedelta(minutes=5)
    webhook_server.headers = {"Retry-After": format_datetime(at, usegmt=True)}
    assert send("slack", webhook_server).retry_after == pytest.approx(300, abs=60)


@pytest.mark.parametrize("kind", ["webhook", "slack", "teams"])
def test_an_answer_that_repeats_the_url_is_not_shown(webhook_server: Receiver, kind: str) -> None:
    webhook_server.status, webhook_server.body = 400, f"No route for /services/{TOKEN}".encode()
    assert send(kind, webhook_server).text == "HTTP 400 Bad Request."


def test_a_redirect_is_not_followed(webhook_server: Receiver) -> None:
    with receiver() as inside:
        webhook_server.status, webhook_server.headers = 307, {"Location": inside.url}
        answer = send("webhook", webhook_server)
        assert (answer.delivered, answer.retry) == (False, False)
        assert "redirect" in answer.text
        assert not inside.requests


def hang(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    over.wait()


def drip_the_body(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    handler.wfile.write(b"HTTP/1.1 500 No\r\n\r\n")
    while not over.wait(0.02):
        handler.wfile.write(b"x")


def hang_up(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    handler.close_connection = True


def not_http(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH\r\n")
    handler.close_connection = True


def endless(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    handler.wfile.write(b"HTTP/1.1 500 No\r\n\r\n")
    while not over.is_set():
        handler.wfile.write(b"x" * 65536)


@pytest.mark.parametrize(
    ("behavior", "text"),
    [
        (hang, "did not answer within"),
        (drip, "did not answer within"),
        (drip_the_body, "HTTP 500"),
        (hang_up, "did not answer with HTTP"),
        (not_http, "did not answer with HTTP"),
        (endless, "HTTP 500 Internal Server Error: xxx"),
    ],
)
def test_a_bad_server_costs_a_bounded_time(
    webhook_server: Receiver, monkeypatch: pytest.MonkeyPatch, behavior: Any, text: str
) -> None:
    monkeypatch.setattr(https, "SEND_FOR", 0.5)
    webhook_server.answer = behavior
    began = time.monotonic()
    answer = send("webhook", webhook_server)
    assert time.monotonic() - began < 5
    assert (answer.delivered, answer.retry) == (False, True)
    assert text in answer.text
    assert len(answer.text) <= 200


def test_a_server_that_does_not_listen_is_tried_again(settings: Settings) -> None:
    settings.NOTIFY_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}/{TOKEN}"
    answer = KINDS["slack"].send({"url": url}, MESSAGE)
    assert (answer.retry, answer.text) == (
        True,
        "127.0.0.1 could not be reached: Connection refused.",
    )
