"""Clients that are slow to send hold up nobody else, and are cut off."""

from __future__ import annotations

import resource
import selectors
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest
import requests

from license.tests.keys import make_license
from serving import worker
from tests.server import Server

PUT = b"PUT /findings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
SLOW = {
    "nothing": b"",
    "one byte": b"P",
    "headers": PUT,
    "body": PUT + b"Content-Length: 1000\r\n\r\n{",
    "chunks": PUT + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    "kept alive": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea",
}


def connect(server: Server) -> socket.socket:
    where = urlsplit(server.url)
    return socket.create_connection((where.hostname or "", where.port or 0), timeout=10)


@contextmanager
def slow_clients(server: Server, count: int) -> Iterator[list[socket.socket]]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    clients: list[socket.socket] = []
    try:
        for number in range(count):
            clients.append(connect(server))
            clients[-1].sendall(list(SLOW.values())[number % len(SLOW)])
        yield clients
    finally:
        for client in clients:
            client.close()


def test_four_hundred_slow_clients_hold_up_nobody(server: Server) -> None:
    server.install(make_license())
    with slow_clients(server, 400):
        for _ in range(50):  # with every thread held, none would be answered
            for path in ("/healthz", "/readyz"):
                assert requests.get(server.url + path, timeout=5).status_code == 200
        assert server.put({"policies": []}).status_code == 200


def until_closed(client: socket.socket) -> bytes:
    """What the server says before it hangs up."""
    client.settimeout(worker.BODY_SECONDS + 10)
    said = b""
    while data := client.recv(4096):
        said += data
    return said


def drip(client: socket.socket) -> None:
    """Never nothing, and never all, until the server has something to say."""
    selector = selectors.DefaultSelector()
    selector.register(client, selectors.EVENT_READ)
    deadline = time.monotonic() + worker.BODY_SECONDS + 10
    while not selector.select(0.5) and time.monotonic() < deadline:
        client.sendall(b"X")


def test_who_is_too_slow_is_cut_off_and_dripping_does_not_help(server: Server) -> None:
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        clients = {name: stack.enter_context(connect(server)) for name in SLOW}
        for name, client in clients.items():
            client.sendall(SLOW[name])
        pool.submit(drip, clients["headers"])
        said = dict(zip(clients, pool.map(until_closed, clients.values()), strict=True))
    assert said.pop("kept alive").startswith(b"HTTP/1.1 200 ")  # and closed after the first
    assert [name for name, what in said.items() if not what.startswith(b"HTTP/1.1 408 ")] == []


@pytest.mark.parametrize("pieces", [1, 2, 7])
def test_a_request_in_pieces_is_one_request(server: Server, pieces: int) -> None:
    server.install(make_license())
    body = b'{"policies": []}'
    bearer = f"Authorization: Bearer {server.access_token()}\r\n".encode()
    whole = PUT + bearer + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body
    with connect(server) as client:
        for start in range(0, len(whole), -(-len(whole) // pieces)):
            client.sendall(whole[start : start + -(-len(whole) // pieces)])
            time.sleep(0.05)  # so that the pieces are pieces
        assert until_closed(client).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_connection_answers_one_request_after_another(server: Server) -> None:
    ask = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connect(server) as client:
        for _ in range(3):
            client.sendall(ask)
            assert client.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_client_that_waits_for_100_is_told_to_go_on(server: Server) -> None:
    with connect(server) as client:
        client.sendall(
            PUT + b"Content-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        assert client.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"{}")
        assert b"HTTP/1.1 403 " in until_closed(client)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Content-Length: 99999999\r\n", 413),
        (b"Content-Length: 9999999999999999999999999\r\n", 413),
        (b"Content-Length: -1\r\n", 400),
        (b"Content-Length: x\r\n", 400),
        (b"Content-Length: 1\r\nContent-Length: 2\r\n", 400),
        (b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"X: " + b"x" * 70_000 + b"\r\n", 431),
    ],
)
def test_what_cannot_be_measured_is_refused_at_once(
    server: Server, headers: bytes, status: int
) -> None:
    with connect(server) as client:
        client.sendall(PUT + headers + b"Connection: close\r\n\r\n0\r\n\r\n")
        said = until_closed(client)
    assert said.startswith(b"HTTP/1.1 %d " % status), said
