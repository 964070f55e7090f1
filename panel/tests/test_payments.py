"""Orders paid at Stripe, with a fake Stripe API: how a customer gets there, and cancels."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from panel import issuing, ordering, payments
from panel.models import Customer, IssuedLicense, Order
from panel.tests.conftest import ACCOUNT, BILLING
from panel.tests.fake_stripe import TOTALS, StripeApi, event, send, told

pytestmark = pytest.mark.one_database  # exchanges with Stripe


@pytest.fixture
def order(stripe_order: Order) -> Order:
    return stripe_order


def ask(client: Client, months: int = 12) -> Any:
    asked = {"account_id": ACCOUNT, "months": str(months), "name": "Acme"} | asdict(BILLING)
    return client.post(f"{reverse('request-license')}?plan=paid", asked)


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


@pytest.mark.every_database  # two at once
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


@pytest.mark.every_database  # locks
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
