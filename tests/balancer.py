"""A load balancer that forwards and drains as an Application Load Balancer (ALB) does."""

from __future__ import annotations

import http.client
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DRAIN_SECONDS = 30  # for requests that a target has received
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


@dataclass
class Target:
    """A server that listens on a port of this machine."""

    port: int
    idle: list[http.client.HTTPConnection] = field(default_factory=list)
    in_hand: int = 0
    has_ended: threading.Condition = field(default_factory=threading.Condition)

    def close(self) -> None:
        """Close the idle connections."""
        while self.idle:
            self.idle.pop().close()


class Balancer(ThreadingHTTPServer):
    """Forwards each request once, over connections that it keeps open."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._targets: list[Target] = []
        self._turn = itertools.count()
        self._lock = threading.Lock()

    def register(self, port: int) -> None:
        """Forward requests to this port, too."""
        with self._lock:
            self._targets.append(Target(port))

    def drain(self, port: int) -> None:
        """Forward no new request to this port, and wait for those that it has."""
        with self._lock:
            target = next(one for one in self._targets if one.port == port)
            self._targets.remove(target)
        with target.has_ended:
            assert target.has_ended.wait_for(lambda: target.in_hand == 0, DRAIN_SECONDS)
        target.close()

    def server_close(self) -> None:
        """Close the port and all connections to targets."""
        super().server_close()
        for target in self._targets:
            target.close()

    def choose(self) -> Target:
        """Return the next target, which has one more request in hand."""
        with self._lock:
            target = self._targets[next(self._turn) % len(self._targets)]
            with target.has_ended:
                target.in_hand += 1
            return target


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Balancer

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = self.server.choose()
        try:
            connection = target.idle.pop()
        except IndexError:
            connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=60)
        try:
            self._exchange(connection, body)
            target.idle.append(connection)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            with suppress(OSError):
                self.send_error(502, type(error).__name__)
        finally:
            with target.has_ended:
                target.in_hand -= 1
                target.has_ended.notify_all()

    def _exchange(self, connection: http.client.HTTPConnection, body: bytes) -> None:
        headers = dict(self.headers.items())
        headers |= {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = _forward

    def log_message(self, *said: object) -> None:
        pass


@contextmanager
def balancer() -> Iterator[Balancer]:
    """Start a balancer without targets."""
    with Balancer() as started:
        thread = threading.Thread(target=started.serve_forever, args=[0.05])
        thread.start()
        try:
            yield started
        finally:
            started.shutdown()
            thread.join()
