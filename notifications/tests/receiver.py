"""An HTTP server on the loopback that behaves as badly as a test wants."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer
from typing import Any


@dataclass
class Request:
    """A request that the server received."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Receiver:
    """What the server answers, and what it received."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    # Writes the answer instead, and returns when it is done. `over` is set when the test ends.
    answer: Callable[[BaseHTTPRequestHandler, threading.Event], None] | None = None
    requests: list[Request] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def receiver(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Runs a server on 127.0.0.1, over HTTPS with a context."""
    told = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            told.requests.append(Request(self.path, dict(self.headers.items()), body))
            try:
                if told.answer:
                    told.answer(self, told.over)
                    return
                self.send_response(told.status)
                for name, value in told.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(told.body)))
                self.end_headers()
                self.wfile.write(told.body)
            except OSError:
                pass  # the sender has hung up

        def log_message(self, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def get_request(self) -> tuple[socket.socket, Any]:
            connection, address = super().get_request()
            if tls:
                connection = tls.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
            return connection, address

        def handle_error(self, *args: Any) -> None:
            pass  # the sender has hung up, or does not trust the certificate

    server = Server(("127.0.0.1", 0), Handler)
    told.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    with serving(server, told.over):
        yield told


@contextmanager
def serving(server: BaseServer, over: threading.Event) -> Iterator[None]:
    """Serves in a thread, and ends it. `over` ends handlers that wait."""
    threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    try:
        yield
    finally:
        over.set()
        server.shutdown()
        server.server_close()


def drip(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    """Writes a byte of a header now and then, so that no single read waits for long."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    while not over.wait(0.02):
        handler.wfile.write(b"x")
