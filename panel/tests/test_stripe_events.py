"""What an event at Stripe's webhook settles, and what is told of all others."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from license import token
from license.tests import keys
from panel import issuing, ordering
from panel.models import Act, Customer, IssuedLicense, Order
from panel.tests.conftest import ACCOUNT, BILLING
from panel.tests.fake_stripe import TOTALS, event, send, signature, told

pytestmark = pytest.mark.one_database  # events that are refused


@pytest.fixture
def order(stripe_order: Order) -> Order:
    return stripe_order


@pytest.mark.every_database  # from the event to the key
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


@pytest.mark.every_database  # locks
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


def test_an_invoice_for_a_card_comes_with_the_payment(order: Order) -> None:
    assert order.invoice is None
    for _ in range(2):
        send(event(order))
    (invoice,) = order.invoice_set.all()
    assert (invoice.total, invoice.bank_details) == (TOTALS[12], "")
