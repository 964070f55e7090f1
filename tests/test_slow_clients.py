"""Slow clients do not block others and are disconnected."""

from __future__ import annotations

import re
import resource
import selectors
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from gunicorn.config import Config

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


# More than the buffers of a connection hold.
BIG_FILE = b"GET /static/ninja/redoc.standalone.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
# They seem to be whole, and the server could wait for the rest of them.
SEEM_WHOLE = {
    "a chunk that holds the last chunk": PUT
    + b"Transfer-Encoding: chunked\r\n\r\nffff\r\n0\r\n\r\n",
    "a request after it": PUT
    + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nPUT / HTTP/1.1\r\nX: \r\n0\r\n\r\n",
    "headers without end": PUT + b"X: x\r\n" * 12_000,
    "an empty line first": b"\r\n\r\nGET /",
}


def connect(server: Server, *, window: int = 0) -> socket.socket:
    where = urlsplit(server.url)
    client = socket.socket()
    if window:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    client.settimeout(10)
    client.connect((where.hostname or "", where.port or 0))
    return client


@contextmanager
def slow_clients(server: Server, count: int) -> Iterator[list[socket.socket]]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
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


def answer_seconds(server: Server) -> float:
    """Return the time in seconds of the slowest of several responses to a fast client."""
    slowest = 0.0
    for _ in range(20):
        before = time.monotonic()
        assert requests.get(server.url + "/healthz", timeout=30).status_code == 200
        slowest = max(slowest, time.monotonic() - before)
    return slowest


def workers(server: Server) -> dict[int, int]:
    """Return the worker processes of the server and their memory in MiB."""
    found = {}
    for number in re.findall(r"Booting worker with pid: (\d+)", server.log_path.read_text()):
        with suppress(OSError):  # that one has ended
            status = Path(f"/proc/{number}/status").read_text()
            found[int(number)] = int(status.partition("VmRSS:")[2].split()[0]) // 1024
    assert found, "no process of the server was found"
    return found


def test_who_does_not_read_the_answer_holds_up_nobody(server: Server) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(server, window=1024)) for _ in range(40)]
        for client in clients:
            client.sendall(BIG_FILE)
        assert answer_seconds(server) < 3
        assert clients[0].recv(100).startswith(b"HTTP/1.1 200 OK\r\n")


def test_who_reads_slowly_gets_the_whole_answer(server: Server) -> None:
    whole = server.request("GET", "/static/ninja/redoc.standalone.js").content
    assert len(whole) > 500_000
    with connect(server, window=1024) as client:
        client.sendall(BIG_FILE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        time.sleep(0.5)  # by then the server has sent what the client takes
        assert until_closed(client).partition(b"\r\n\r\n")[2] == whole


@pytest.mark.parametrize("what", SEEM_WHOLE)
def test_no_thread_waits_for_what_seems_whole(server: Server, what: str) -> None:
    with ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(connect(server)).sendall(SEEM_WHOLE[what])
        assert answer_seconds(server) < 3


def test_more_clients_than_there_is_room_for_stop_no_worker(server: Server) -> None:
    before = workers(server)
    with slow_clients(server, 2400) as clients:
        for client in clients:
            with suppress(OSError):
                client.sendall(b"x")
        assert answer_seconds(server) < 5
    assert workers(server).keys() == before.keys()
    assert "Traceback" not in server.log


def test_what_is_buffered_is_bounded(server: Server) -> None:
    almost = PUT + b"Content-Length: 1048576\r\n\r\n" + b"x" * 1_048_000
    with slow_clients(server, 0) as clients:
        for _ in range(500):
            clients.append(connect(server))
            with suppress(OSError):  # this one was too much
                clients[-1].sendall(almost)
        answer_seconds(server)
        assert max(workers(server).values()) < 300
        server.install(make_license())
        assert server.put({"policies": []}).status_code == 200


def test_after_chunks_the_connection_ends(server: Server) -> None:
    chunks = b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    with connect(server) as client:
        client.sendall(PUT + chunks + b"GET /healthz HTTP/1.1\r\nX: 0\r\n\r\n0\r\n\r\n")
        said = until_closed(client)
    assert said.count(b"HTTP/1.1 ") == 1
    assert b"\r\nConnection: close\r\n" in said


def until_closed(client: socket.socket) -> bytes:
    """Return everything that the server sends before it closes the connection."""
    client.settimeout(worker.BODY_SECONDS + 10)
    said = b""
    while data := client.recv(4096):
        said += data
    return said


def drip(client: socket.socket) -> None:
    """Send a byte every half second until the server responds."""
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
            said = client.recv(4096)
            while not said.endswith(b"}"):
                more = client.recv(4096)
                assert more, said  # else it was closed
                said += more
            assert said.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_client_that_waits_for_100_is_told_to_go_on(server: Server) -> None:
    with connect(server) as client:
        client.sendall(
            PUT + b"Content-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        assert client.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"{}")
        assert until_closed(client).startswith(b"HTTP/1.1 403 ")


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


def test_a_signal_in_the_middle_of_handing_on_a_request_ends_the_process() -> None:
    process = worker.BufferingWorker(0, 0, [], None, 30, Config(), None)
    process.tpool = process.get_thread_pool()
    exits = []

    def interrupted() -> None:
        with process.tpool._shutdown_lock:  # as ThreadPoolExecutor.submit holds it
            try:
                process.handle_quit(signal.SIGINT, None)
            except SystemExit as exiting:
                exits.append(exiting.code)

    thread = threading.Thread(target=interrupted, daemon=True)
    thread.start()
    thread.join(timeout=10)
    process.tmp.close()
    assert exits == [0]
