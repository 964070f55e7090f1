"""Orders paid at Stripe, with a fake Stripe API, and Stripe's webhook."""

from __future__ import annotations

import hmac
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from license import token
from license.tests import keys
from panel import issuing, ordering, payments
from panel.models import Act, Customer, IssuedLicense, Order, OutgoingMail
from panel.tests.conftest import ACCOUNT, BILLING

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


@pytest.fixture
def stripe_api(settings: Settings) -> Iterator[StripeApi]:
    settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRET = SECRET_KEY, WEBHOOK_SECRET
    with StripeApi() as server:
        settings.STRIPE_API_URL = server.url
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def order(stripe_api: StripeApi, alice: Customer) -> Order:
    """Alice's order, with a session at Stripe."""
    placed = ordering.place_order(
        alice, account_id=ACCOUNT, months=12, name="", billing=BILLING, at=timezone.now()
    )
    payments.checkout_url(placed)
    return placed


def ask(client: Client, months: int = 12) -> Any:
    asked = {"account_id": ACCOUNT, "months": str(months), "name": "Acme"} | asdict(BILLING)
    return client.post(f"{reverse('request-license')}?plan=paid", asked)


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


@pytest.mark.parametrize("months", [1, 12])
def test_an_order_leads_to_stripes_page_with_its_price_and_its_number(
    alice_client: Client, stripe_api: StripeApi, months: int
) -> None:
    response = ask(alice_client, months)
    order = Order.objects.get()
    (body,) = stripe_api.created
    assert (response.status_code, response.url) == (302, stripe_api.sessions["cs_test_1"]["url"])
    assert body["mode"] == "payment"
    amounts = [int(body[f"line_items[{n}][price_data][unit_amount]"]) for n in (0, 1)]
    assert amounts == [{1: 99_00, 12: 990_00}[months], {1: 18_81, 12: 188_10}[months]]
    assert sum(amounts) == order.total == TOTALS[months]
    assert {body[f"line_items[{n}][price_data][currency]"] for n in (0, 1)} == {"eur"}
    assert body["client_reference_id"] == str(order.pk)
    assert body["customer_email"] == "alice@example.com"
    back = f"http://testserver/panel/orders/{order.pk}"
    assert body["success_url"] == body["cancel_url"] == back
    assert order.status is Order.Status.OPEN


def test_going_to_pay_again_finds_the_same_open_session(
    alice_client: Client, stripe_api: StripeApi
) -> None:
    first = ask(alice_client)
    pay = reverse("pay", args=[Order.objects.get().pk])
    assert first.url == ask(alice_client).url == alice_client.post(pay).headers["Location"]
    assert len(stripe_api.created) == 1


def test_two_clicks_at_once_find_one_session(order: Order, stripe_api: StripeApi) -> None:
    Order.objects.update(stripe_session=None)
    clicks = [Order.objects.get(pk=order.pk) for _ in range(2)]  # neither has seen the other's
    assert payments.checkout_url(clicks[0]) == payments.checkout_url(clicks[1])
    assert len(stripe_api.created) == 1


def test_a_session_that_has_expired_is_followed_by_a_new_one(
    alice_client: Client, stripe_api: StripeApi
) -> None:
    first = ask(alice_client)
    stripe_api.sessions["cs_test_1"] |= {"status": "expired", "url": None}
    second = ask(alice_client)
    assert second.url == stripe_api.sessions["cs_test_2"]["url"] != first.url
    assert Order.objects.get().stripe_session == "cs_test_2"


def test_a_debit_that_bounced_can_be_paid_again(
    alice_client: Client, order: Order, stripe_api: StripeApi
) -> None:
    session = stripe_api.sessions["cs_test_1"]
    session["status"] = "complete"
    session["payment_intent"] = {"object": "payment_intent", "id": "pi", "status": "processing"}
    pay = reverse("pay", args=[order.pk])
    assert alice_client.post(pay).headers["Location"] == reverse("order", args=[order.pk])
    session["payment_intent"]["status"] = "requires_payment_method"
    assert alice_client.post(pay).headers["Location"].endswith("cs_test_2")


def test_an_undone_payment_leads_to_a_new_session(
    alice: Customer, order: Order, stripe_api: StripeApi, staff: User
) -> None:
    issuing.suspend(alice, by=staff, why="checking", at=timezone.now())
    assert send(event(order)) == 204
    stripe_api.sessions["cs_test_1"] |= {"status": "complete", "payment_status": "paid"}
    ordering.undo_payment(order, by=staff, why="refunded", at=timezone.now())
    assert payments.checkout_url(Order.objects.get()).endswith("cs_test_2")


@pytest.mark.parametrize("paid", ["paid", "unpaid"])  # "unpaid": a bank takes some days
def test_who_has_paid_already_is_not_led_to_pay_again(
    alice_client: Client, stripe_api: StripeApi, paid: str
) -> None:
    ask(alice_client)
    stripe_api.sessions["cs_test_1"] |= {"status": "complete", "payment_status": paid, "url": None}
    response = alice_client.post(reverse("pay", args=[Order.objects.get().pk]))
    assert not response.headers["Location"].startswith("https://checkout.stripe.com")
    # The event, which comes late, is about the session that was paid.
    assert send(event(Order.objects.get(), id="cs_test_1")) == 204
    assert IssuedLicense.objects.get().order == Order.objects.get()


@pytest.mark.parametrize("failure", ["refuses", "fails"])
def test_when_stripe_is_down_the_order_is_kept_and_the_customer_told(
    alice_client: Client, stripe_api: StripeApi, settings: Settings, failure: str
) -> None:
    if failure == "refuses":
        settings.STRIPE_API_URL = "http://127.0.0.1:1"  # nobody listens
    stripe_api.fails = failure == "fails"
    response = ask(alice_client)
    order = Order.objects.get()
    assert response.url == reverse("order", args=[order.pk])
    page = alice_client.get(response.url)
    assert (page.status_code, order.stripe_session) == (200, None)
    assert "Your order is saved; try again later." in page.content.decode()
    settings.STRIPE_API_URL, stripe_api.fails = stripe_api.url, False
    paying = alice_client.post(reverse("pay", args=[order.pk]))
    assert paying.headers["Location"].startswith("https://checkout.stripe.com/c/pay/")


def test_what_stripe_says_is_paid_is_issued_once_however_often_it_says_so(order: Order) -> None:
    completed = event(order)
    for payload in (completed, completed, event(order, "checkout.session.async_payment_succeeded")):
        assert send(payload) == 204
    issued = IssuedLicense.objects.get()
    assert (issued.order, Order.objects.get().paid_by) == (order, Order.Payment.STRIPE)
    keyring, at = keys.keyring(), timezone.now()
    assert token.verify(issued.key, keyring=keyring, account_id=ACCOUNT, now=at)
    paid = Act.objects.get(kind=Act.Kind.PAID)
    assert (paid.by, paid.why) == (None, "Stripe event evt_1")


def test_a_slow_payment_issues_nothing_until_it_has_succeeded(order: Order) -> None:
    assert send(event(order, payment_status="unpaid")) == 204
    assert send(event(order, "checkout.session.expired")) == 204
    assert Order.objects.get().status is Order.Status.OPEN
    assert send(event(order, "checkout.session.async_payment_succeeded")) == 204
    assert IssuedLicense.objects.get().order == order


FORGERIES: dict[str, Callable[[bytes], tuple[bytes, str]]] = {
    "forged": lambda sent: (sent, f"t={int(time.time())},v1={'0' * 64}"),
    "of another secret": lambda sent: (sent, signature(sent, secret="whsec_wrong")),
    "stale": lambda sent: (sent, signature(sent, age=310)),
    "freshened": lambda sent: (sent, f"t={int(time.time())},{signature(sent, age=310)[13:]}"),
    "missing": lambda sent: (sent, ""),
    "without a scheme": lambda sent: (sent, "nonsense"),
    "not ASCII": lambda sent: (sent, f"t={int(time.time())},v1=é"),
    "of another body": lambda sent: (sent.replace(b"evt_1", b"evt_2"), signature(sent)),
    "of what is not JSON": lambda sent: (b"paid", signature(b"paid")),
    "of what is not UTF-8": lambda sent: (b"\xff", signature(b"\xff")),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_stripe_has_not_just_signed_issues_nothing(order: Order, forgery: str) -> None:
    assert send(*FORGERIES[forgery](event(order))) == 400
    assert Order.objects.get().status is Order.Status.OPEN
    true = event(order)  # is still heeded, also when it was on its way for a while
    assert send(true, signature(true, age=290)) == 204
    assert IssuedLicense.objects.count() == 1


def test_an_event_about_a_session_of_somebody_elses_issues_nothing(order: Order) -> None:
    assert send(event(order, id="cs_unknown")) == 204
    assert not IssuedLicense.objects.exists()


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"id": None}, 400),
        ({"id": ""}, 400),
        ({"id": 1}, 400),
        ({"id": "cs\0"}, 400),
        ({"payment_status": None}, 400),
        ({"payment_status": True}, 400),
        ({"mode": "setup"}, 400),
        ({"client_reference_id": 1}, 400),
        ({"client_reference_id": None}, 204),
        ({"client_reference_id": "0"}, 204),
    ],
)
def test_an_event_that_fits_no_order_whole_settles_none(
    order: Order, changed: dict[str, Any], status: int
) -> None:
    """It must not match an order without a session."""
    waiting = ordering.place_order(
        order.customer, account_id=ACCOUNT, months=1, name="", billing=BILLING, at=timezone.now()
    )
    assert waiting.stripe_session is None
    assert send(event(order, **changed)) == status
    assert {one.status for one in Order.objects.all()} == {Order.Status.OPEN}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_GONE = object()
_EVENTS = st.fixed_dictionaries(
    {
        "id": _JSON | st.just("evt_1"),
        "type": _JSON | st.just("checkout.session.completed"),
        "data": _JSON | st.fixed_dictionaries({"object": _JSON}),
    }
)


_PLACES = [
    ("id",),
    ("type",),
    ("data",),
    ("data", "object"),
    *(("data", "object", name) for name in ("id", "mode", "client_reference_id", "payment_status")),
]


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.sampled_from(_PLACES), value=_JSON | st.just(_GONE))
def test_a_signed_event_with_one_member_changed_or_gone_settles_nothing(
    order: Order, place: tuple[str, ...], value: object
) -> None:
    """Matches neither this order nor one without a session."""
    waiting, _ = Order.objects.get_or_create(
        customer=order.customer, aws_account_id=ACCOUNT, months=1, placed_at=order.placed_at
    )
    said = json.loads(event(order))
    *outer, name = place
    inner = said
    for one in outer:
        inner = inner[one]
    if place == ("id",) and isinstance(value, str) and re.fullmatch("[A-Za-z0-9_]{1,255}", value):
        return  # an event may have any id
    del inner[name]
    if value is not _GONE:
        inner[name] = value
    assert send(json.dumps(said).encode()) in {204, 400}
    assert {one.status for one in (order, waiting)} == {Order.Status.OPEN}
    assert not Order.objects.exclude(paid_at=None).exists()


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"null",
        b"[" * 100_000,
        b'{"data":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"id": "evt_1", "type": "\\ud800", "data": {"object": {}}}',
        b'{"id": "evt_1", "type": "x", "data": {"object": {"n": ' + b"9" * 10_000 + b"}}}",
        b'{"id": "evt_1", "id": "evt_2", "type": "x"}',
        b"\xef\xbb\xbf{}",
        b"\x00",
    ],
)
def test_signed_junk_is_told_so(order: Order, payload: bytes) -> None:
    assert send(payload) in {204, 400}
    assert Order.objects.get().status is Order.Status.OPEN


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(signed=st.text(st.characters(min_codepoint=32, max_codepoint=255)))
def test_whatever_stands_for_a_signature_is_told_so(order: Order, signed: str) -> None:
    assert send(event(order), signed or "-") == 400


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(said=_JSON | _EVENTS)
def test_whatever_is_signed_is_answered_and_settles_nothing(order: Order, said: object) -> None:
    assert send(json.dumps(said).encode()) in {204, 400}
    assert Order.objects.get().status is Order.Status.OPEN


def test_without_stripes_keys_there_is_no_webhook(order: Order, settings: Settings) -> None:
    settings.STRIPE_SECRET_KEY = ""
    assert send(event(order)) == 404
    assert not IssuedLicense.objects.exists()


def test_when_nothing_can_be_signed_stripe_is_asked_to_come_again(
    order: Order, settings: Settings
) -> None:
    good, settings.LICENSE_SIGNING_KEY = settings.LICENSE_SIGNING_KEY, "/nowhere/signing-key.pem"
    assert send(event(order)) == 503
    assert Order.objects.get().status is Order.Status.OPEN  # nothing is half done
    assert not Act.objects.exclude(kind=Act.Kind.ORDERED).exists()
    settings.LICENSE_SIGNING_KEY = good
    assert send(event(order)) == 204
    assert Order.objects.get().status is Order.Status.DONE


def test_what_a_suspended_customer_pays_is_kept_on_hold(
    order: Order, alice: Customer, staff: User
) -> None:
    issuing.suspend(alice, by=staff, why="card declined", at=timezone.now())
    assert send(event(order)) == 204
    assert Order.objects.get().status is Order.Status.ON_HOLD
    assert not IssuedLicense.objects.exists()
    issuing.reinstate(alice, by=staff, why="mended", at=timezone.now())
    assert IssuedLicense.objects.get().order == order


def test_an_order_that_is_paid_in_two_ways_issues_once_and_staff_are_told(
    order: Order, staff: User
) -> None:
    ordering.settle(
        order, paid_by=Order.Payment.INVOICE, by=staff, why="invoice 8", at=timezone.now()
    )
    assert send(event(order)) == 204
    assert IssuedLicense.objects.count() == 1
    assert "was also paid by invoice" in told(staff)  # somebody is owed their money


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"id": "cs_unknown"}, "matches no order"),
        ({"client_reference_id": "0"}, "matches no order"),
        ({"amount_total": 1}, "is not the total of Order"),
        ({"amount_total": None}, "is not the total of Order"),
        ({"currency": "usd"}, "is not the total of Order"),
        ({"currency": None}, "is not the total of Order"),
    ],
)
def test_a_payment_that_fits_no_order_settles_none_and_staff_are_told(
    order: Order, staff: User, changed: dict[str, Any], wrong: str
) -> None:
    assert send(event(order, **changed)) == 204
    assert Order.objects.get().status is Order.Status.OPEN
    assert wrong in told(staff)
    assert "evt_1" in told(staff)


def test_a_cancelled_order_cannot_be_paid_at_stripe(
    alice_client: Client, order: Order, stripe_api: StripeApi, staff: User
) -> None:
    answer = alice_client.post(reverse("cancel", args=[order.pk]), follow=True)
    assert "is cancelled" in answer.content.decode()
    assert stripe_api.sessions["cs_test_1"]["status"] == "expired"
    paying = alice_client.post(reverse("pay", args=[order.pk]))
    assert paying.headers["Location"] == reverse("order", args=[order.pk])
    assert send(event(order)) == 204  # and yet somebody has
    assert Order.objects.get().status is Order.Status.CANCELLED
    assert not IssuedLicense.objects.exists()
    assert f"{order} is cancelled" in told(staff)


@pytest.mark.parametrize("state", ["paid", "down"])
def test_an_order_that_stripe_does_not_let_go_is_not_cancelled(
    alice_client: Client, order: Order, stripe_api: StripeApi, state: str
) -> None:
    if state == "paid":  # and the event is on its way
        stripe_api.sessions["cs_test_1"] |= {"status": "complete", "url": None}
    stripe_api.fails = state == "down"
    alice_client.post(reverse("cancel", args=[order.pk]))
    assert Order.objects.get().status is Order.Status.OPEN
    assert send(event(order)) == 204
    assert IssuedLicense.objects.get().order == order


def test_an_invoice_for_a_card_comes_with_the_payment(order: Order) -> None:
    assert order.invoice is None
    for _ in range(2):
        send(event(order))
    (invoice,) = order.invoice_set.all()
    assert (invoice.total, invoice.bank_details) == (TOTALS[12], "")


def told(staff: User) -> str:
    """Returns the last mail to staff."""
    return OutgoingMail.objects.filter(to=staff.email).latest("pk").body
