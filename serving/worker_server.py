"""The own HTTP server of a worker: GET /healthz, /readyz and /metrics."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from typing import Any, Self

from django.conf import settings
from django.core.management.base import CommandError
from django.db import Error, connections
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from serving.health import readiness
from serving.heart import Heart
from serving.metrics import is_authorized

logger = logging.getLogger(__name__)

CLIENTS = 8  # at the same time, each in a thread; more are disconnected
SECONDS = 10.0  # for a request and its response; slower clients are disconnected

Answer = tuple[int, str, bytes]  # status, content type, body
Collectors = Callable[[datetime], Iterable[Collector]]  # of the metrics at one instant


def server_of(hearts: Collection[Heart], collectors: Collectors) -> AbstractContextManager[object]:
    """Returns the server on WORKER_BIND, or one that does nothing if that is not set."""
    if not settings.WORKER_BIND:
        return nullcontext()
    try:
        return WorkerServer(settings.WORKER_BIND, hearts, collectors)
    except OSError as error:
        msg = f"The worker cannot listen on {settings.WORKER_BIND}. {error.strerror}."
        raise CommandError(msg) from error


class WorkerServer(ThreadingHTTPServer):
    """Serves in a thread of its own while its `with` block runs.

    The constructor raises OSError if it cannot listen on the address.
    """

    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], hearts: Collection[Heart], collectors: Collectors
    ) -> None:
        self.hearts, self.collectors = hearts, collectors
        self.clients: dict[socket.socket, float] = {}  # and since when
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self.server_close()

    def server_bind(self) -> None:
        """Binds without the look-up of the own name that HTTPServer makes."""
        super(HTTPServer, self).server_bind()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Returns False, which disconnects the client, if there are too many."""
        return len(self.clients) < CLIENTS

    def process_request(self, request: Any, client_address: Any) -> None:
        self.clients[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.clients.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Disconnects slow clients. serve_forever calls it at least every half second."""
        for client, since in list(self.clients.items()):
            if time.monotonic() - since > SECONDS:
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Logs nothing: only clients that disconnect get here."""


class _Handler(BaseHTTPRequestHandler):
    server: WorkerServer
    server_version = "ThreatReaction"
    sys_version = ""

    def do_GET(self) -> None:
        """Answers a GET or HEAD request, and disconnects."""
        answers = {"/healthz": self._healthz, "/readyz": self._readyz}
        if settings.METRICS_TOKEN:
            answers["/metrics"] = self._metrics
        answer = answers.get(self.path)
        try:
            status, kind, body = answer() if answer else _as_json(404, {"status": "not found"})
        except Error as error:
            logger.error("No answer to %s. %s", self.path, type(error).__name__)
            status, kind, body = _as_json(503, {"status": "unavailable"})
        except Exception:  # a bug
            logger.exception("No answer to %s.", self.path)
            status, kind, body = _as_json(500, {"status": "error"})
        finally:
            connections.close_all()  # those of this thread
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Bearer realm="Threat Reaction metrics"')
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def _healthz(self) -> Answer:
        """Returns 200 if each loop moves. Errors of AWS or the database do not stop it."""
        loops = {heart.loop: "stuck" if heart.is_stuck else "ok" for heart in self.server.hearts}
        if "stuck" in loops.values():
            return _as_json(503, {"status": "unavailable", "loops": loops})
        return _as_json(200, {"status": "ok", "loops": loops})

    def _readyz(self) -> Answer:
        found = readiness()
        return _as_json(200 if found["status"] == "ok" else 503, found)

    def _metrics(self) -> Answer:
        if not is_authorized(self.headers.get("Authorization", "")):
            return _as_json(401, {"status": "Send METRICS_TOKEN as a bearer token."})
        registry = CollectorRegistry()
        for collector in self.server.collectors(timezone.now()):
            registry.register(collector)
        return 200, CONTENT_TYPE_PLAIN_0_0_4, generate_latest(registry)

    def log_message(self, *about: Any) -> None:
        """Logs nothing: a request can contain a secret."""


def _as_json(status: int, body: dict[str, Any]) -> Answer:
    return status, "application/json", json.dumps(body).encode()
