"""A fake of Stripe's API, and events as Stripe signs them."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.contrib.auth.models import User
from django.test import Client

from panel.models import Order, OutgoingMail

SECRET_KEY, WEBHOOK_SECRET = "sk_test_of_no_use", "whsec_of_no_use"
TOTALS = {1: 117_81, 12: 1178_10}  # with 19% tax
SESSIONS = "/v1/checkout/sessions"


class StripeApi(ThreadingHTTPServer):
    """The parts of Stripe's API that Checkout needs."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.created: list[dict[str, str]] = []  # the bodies that it was sent
        self.sessions: dict[str, dict[str, Any]] = {}
        self.session_of: dict[str, dict[str, Any]] = {}  # the one that each Idempotency-Key made
        self.fails = False

    def create(self, body: dict[str, str], idempotency_key: str) -> dict[str, Any]:
        if idempotency_key not in self.session_of:
            self.created.append(body)
            name = f"cs_test_{len(self.created)}"
            self.sessions[name] = self.session_of[idempotency_key] = {
                "id": name,
                "object": "checkout.session",
                "status": "open",
                "payment_status": "unpaid",
                "payment_intent": None,
                "url": f"https://checkout.stripe.com/c/pay/{name}",
            }
        return self.session_of[idempotency_key]


class _Handler(BaseHTTPRequestHandler):
    server: StripeApi

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        body = {name: values[0] for name, values in parse_qs(sent).items()}
        if not self._is_welcome():
            return
        if self.path == SESSIONS:
            self._answer(200, self.server.create(body, self.headers["Idempotency-Key"]))
        elif self.path.endswith("/expire"):
            session = self.server.sessions[self.path.split("/")[-2]]
            session |= {"status": "expired", "url": None}
            self._answer(200, session)

    def do_GET(self) -> None:
        if self._is_welcome():
            self._answer(200, self.server.sessions[urlsplit(self.path).path.split("/")[-1]])

    def _is_welcome(self) -> bool:
        if self.server.fails:
            self._answer(500, {"error": {"type": "api_error"}})
        elif self.headers["Authorization"] != f"Bearer {SECRET_KEY}":
            self._answer(401, {"error": {"type": "invalid_request_error"}})
        else:
            return True
        return False

    def _answer(self, status: int, said: dict[str, Any]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    def log_message(self, *args: Any) -> None:
        """Silences stderr."""


@contextmanager
def running() -> Iterator[StripeApi]:
    """Runs the fake."""
    with StripeApi() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def event(order: Order, kind: str = "checkout.session.completed", **session: Any) -> bytes:
    said = {
        "id": order.stripe_session,
        "object": "checkout.session",
        "mode": "payment",
        "client_reference_id": str(order.pk),
        "payment_status": "paid",
        "amount_total": TOTALS[order.months],
        "currency": "eur",
    }
    return json.dumps(
        {"id": "evt_1", "object": "event", "type": kind, "data": {"object": said | session}}
    ).encode()


def signature(payload: bytes, *, secret: str = WEBHOOK_SECRET, age: int = 0) -> str:
    """Signs as docs.stripe.com/webhooks says, independently of Stripe's library."""
    at = int(time.time()) - age
    signed = hmac.digest(secret.encode(), f"{at}.".encode() + payload, "sha256")
    return f"t={at},v1={signed.hex()}"


def send(payload: bytes, signed: str | None = None) -> int:
    """Returns the status of the response to Stripe."""
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    signed = signature(payload) if signed is None else signed
    headers = {"Stripe-Signature": signed} if signed else {}
    url = "/panel/stripe/webhook"
    return client.post(url, payload, "application/json", headers=headers).status_code


def told(staff: User) -> str:
    """Returns the last mail to staff."""
    return OutgoingMail.objects.filter(to=staff.email).latest("pk").body
