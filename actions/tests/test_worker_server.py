"""The worker's own server: whether it is alive, and that slow clients do not keep it busy."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from io import StringIO

import pytest
import requests
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from actions.heartbeat import Heart, Loop
from serving import worker_server
from serving.heart import STUCK
from serving.worker_server import WorkerServer

pytestmark = pytest.mark.one_database  # a port

LOOPBACK = ("127.0.0.1", 0)


@pytest.fixture
def hearts() -> dict[Loop, Heart]:
    return {loop: Heart(loop) for loop in Loop}


@pytest.fixture
def url(hearts: dict[Loop, Heart]) -> Iterator[str]:
    with WorkerServer(LOOPBACK, hearts.values(), lambda now: []) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}"


def ask(url: str, method: str = "GET") -> requests.Response:
    return requests.request(method, url, timeout=10)


def test_a_loop_that_is_stuck_makes_the_worker_unhealthy(
    url: str, hearts: dict[Loop, Heart]
) -> None:
    answer = ask(f"{url}/healthz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    hearts[Loop.ACT].moved_at -= STUCK + 1
    answer = ask(f"{url}/healthz")
    assert answer.status_code == 503
    assert answer.json()["loops"] == {"receive": "ok", "act": "stuck"}
    hearts[Loop.ACT].move()
    assert ask(f"{url}/healthz", "HEAD").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/metrics", 404),  # METRICS_TOKEN is not set
        ("GET", "/healthz/../etc/passwd", 404),
        ("POST", "/healthz", 501),
        ("X" * 70_000, "/healthz", 414),
    ],
)
def test_what_is_none_of_its_paths_is_refused(
    url: str, method: str, path: str, status: int
) -> None:
    assert ask(url + path, method).status_code == status


def test_slow_clients_are_disconnected(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    address = ("127.0.0.1", int(url.rpartition(":")[2]))
    slow = [socket.create_connection(address, timeout=20) for _ in range(worker_server.CLIENTS)]
    for client in slow:
        client.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
    with pytest.raises(requests.ConnectionError):  # no thread for one more
        ask(f"{url}/healthz")
    monkeypatch.setattr(worker_server, "SECONDS", 0)
    for client in slow:
        assert client.recv(1) == b""
        client.close()
    monkeypatch.setattr(worker_server, "SECONDS", 60)
    deadline = time.monotonic() + 20
    while True:
        try:
            assert ask(f"{url}/healthz").ok
            break
        except requests.ConnectionError:  # their threads are just ending
            assert time.monotonic() < deadline


@pytest.mark.django_db
def test_an_address_in_use_is_told(settings: Settings, hearts: dict[Loop, Heart]) -> None:
    with WorkerServer(LOOPBACK, hearts.values(), lambda now: []) as server:
        settings.WORKER_BIND = server.server_address
        with pytest.raises(CommandError, match=r"cannot listen on .* Address already in use"):
            call_command("processfindings", stdout=StringIO())
