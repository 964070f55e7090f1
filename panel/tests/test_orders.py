"""Orders, invoices and receipts: what they cost, who sees them, and how they are numbered."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pypdf import PdfReader
from pytest_django.fixtures import Settings

from panel import issuing, ordering, payments, selling
from panel.customers import Refused
from panel.models import Act, Customer, Invoice, IssuedLicense, Order
from panel.selling import Billing
from panel.tests.conftest import ACCOUNT, BILLING, OTHER_ACCOUNT
from panel.tests.test_admin import act
from tests.at_once import at_once

pytestmark = pytest.mark.one_database  # pages and documents

PAID = "/panel/request-license?plan=paid"
ASKED = {"account_id": ACCOUNT, "name": "Łódź Ελλάς GmbH", "months": "12"} | asdict(BILLING)


def place(
    customer: Customer, *, account: str = ACCOUNT, months: int = 12, billing: Billing = BILLING
) -> Order:
    return ordering.place_order(
        customer,
        account_id=account,
        months=months,
        name="Acme",
        billing=billing,
        at=timezone.now(),
    )


def pay(order: Order, staff: User) -> Order:
    return ordering.settle(
        order, paid_by=Order.Payment.INVOICE, by=staff, why="statement 3", at=timezone.now()
    )


def text(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    return re.sub(r"\s+", " ", answer.content.decode())


def pdf(client: Client, path: str) -> str:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/pdf")
    (page,) = PdfReader(io.BytesIO(answer.content)).pages
    return page.extract_text()


def test_prices_stand_on_the_page_before_anything_is_ordered(alice_client: Client) -> None:
    page = text(alice_client, PAID)
    for amount in ("EUR 99.00", "VAT 19%", "EUR 117.81", "EUR 990.00", "EUR 1,178.10"):
        assert amount in page
    assert not Order.objects.exists()


def test_without_prices_nothing_can_be_ordered_and_trials_go_on(
    alice_client: Client, settings: Settings
) -> None:
    settings.PRICES = {1: "", 12: ""}
    assert "cannot be ordered at the moment" in text(alice_client, PAID)
    page = alice_client.post(PAID, ASKED).content.decode()
    assert "cannot be ordered at the moment" in page
    assert not Order.objects.exists()
    assert "Start the trial" in text(alice_client, "/panel/request-license?plan=trial")


@pytest.mark.parametrize(
    ("seller", "rate", "country", "vat_id", "tax", "label"),
    [
        ("DE", "19", "DE", "", 188_10, "VAT 19%"),
        ("DE", "19", "DE", "DE136695976", 188_10, "VAT 19%"),
        ("DE", "19", "AT", "", 188_10, "VAT 19%"),
        ("DE", "19", "AT", "ATU13585627", 0, "VAT 0%"),
        ("DE", "19", "US", "", 0, "VAT 0%"),
        ("DE", "0", "DE", "", 0, ""),
        ("CH", "8.1", "CH", "", 80_19, "VAT 8.1%"),
        ("CH", "8.1", "AT", "ATU13585627", 80_19, "VAT 8.1%"),
    ],
)
def test_tax_depends_on_both_countries_and_the_vat_id(
    settings: Settings, seller: str, rate: str, country: str, vat_id: str, tax: int, label: str
) -> None:
    settings.SELLER_COUNTRY, settings.TAX_RATE = seller, rate
    quote = selling.quote(12, country=country, vat_id=vat_id)
    assert (quote.net, quote.tax, quote.tax_label) == (990_00, tax, label)
    assert bool(quote.tax_note) == (label == "VAT 0%")


@pytest.mark.parametrize(("net", "tax"), [("0.50", 10), ("0.10", 2), ("0.07", 1), ("1.02", 19)])
def test_half_a_cent_is_rounded_up(settings: Settings, net: str, tax: int) -> None:
    settings.PRICES, settings.TAX_RATE = {1: net, 12: "1.00"}, "19"  # 9.5, 1.9, 1.33, 19.38 cents
    assert selling.quote(1).tax == tax


def test_an_order_comes_with_its_invoice_and_how_to_pay_it(alice_client: Client) -> None:
    asked = ASKED | {"vat_id": "de 136 695 976", "purchase_order": "PO-77"}
    answer = alice_client.post(PAID, asked, follow=True)
    order = Order.objects.get()
    assert answer.redirect_chain[-1][0] == f"/panel/orders/{order.pk}"
    invoice = Invoice.objects.get()
    printed = pdf(alice_client, f"/panel/invoices/{invoice.sequence}/invoice.pdf")
    shown = text(alice_client, f"/panel/invoices/{invoice.sequence}")
    for said in (answer.content.decode(), printed, shown):
        for fact in ("TR-000001", "IBAN DE02", "EUR 1,178.10", "Łódź Ελλάς GmbH", "PO-77"):
            assert fact in said
        assert "VAT ID DE136695976" in said
        assert "Lindenstraße 1" in said
    assert "EUR 1,178.10" in pdf(alice_client, f"/panel/orders/{order.pk}/order.pdf")
    assert alice_client.get(f"/panel/orders/{order.pk}/receipt").status_code == 404  # not yet
    assert "Awaiting payment" in text(alice_client, "/panel/licenses")


def test_letters_that_the_font_lacks_are_shown_as_boxes(
    alice: Customer, alice_client: Client
) -> None:
    place(alice, billing=replace(BILLING, city="東京 Łódź"))
    assert "□□ Łódź" in pdf(alice_client, "/panel/invoices/1/invoice.pdf")


def test_a_sent_price_changes_nothing(alice_client: Client) -> None:
    alice_client.post(PAID, ASKED | {"net": "1", "total": "1", "tax": "0", "currency": "JPY"})
    order = Order.objects.get()
    assert (order.net, order.tax, order.currency) == (990_00, 188_10, "EUR")


@pytest.mark.every_database  # from the order to the receipt
def test_a_paid_order_has_a_receipt_and_the_history_keeps_all(
    alice: Customer, alice_client: Client, staff: User
) -> None:
    first, second = place(alice), place(alice, months=1)
    pay(first, staff)
    ordering.cancel(second, by=alice.user, at=timezone.now())
    for said in (
        text(alice_client, f"/panel/orders/{first.pk}/receipt"),
        pdf(alice_client, f"/panel/orders/{first.pk}/receipt.pdf"),
    ):
        assert "We received EUR 1,178.10" in said
        assert "Receipt for invoice TR-000001" in said
    page = text(alice_client, "/panel/orders")
    assert (page.count("Done"), page.count("Cancelled")) == (1, 1)
    assert alice_client.get(f"/panel/orders/{second.pk}/receipt.pdf").status_code == 404
    invoice = alice_client.get("/panel/invoices/1").content.decode()
    assert f"{first} is paid." in invoice  # it still says where to transfer the money


def test_an_order_keeps_its_price_and_its_invoice_what_was_sold(
    alice: Customer, alice_client: Client, staff: User, settings: Settings
) -> None:
    order = place(alice)
    settings.PRICES, settings.SELLER_ADDRESS = {1: "1.00", 12: "2.00"}, "Other Ltd"
    paid = pay(order, staff)
    assert paid.total == 1178_10
    assert "Vendor GmbH" in pdf(alice_client, "/panel/invoices/1/invoice.pdf")


def test_an_open_order_is_not_changed_by_another_address(alice: Customer) -> None:
    order = place(alice)
    assert place(alice) == order
    with pytest.raises(Refused, match=f"{order} .* awaits payment"):
        place(alice, billing=replace(BILLING, street="Elsewhere 2"))
    ordering.cancel(order, by=alice.user, at=timezone.now())
    assert place(alice, billing=replace(BILLING, street="Elsewhere 2")) != order


def test_another_customer_reaches_no_order_invoice_or_receipt(
    alice: Customer, bob_client: Client, staff: User
) -> None:
    paid, unpaid = pay(place(alice), staff), place(alice, months=1)
    for path in (
        f"orders/{paid.pk}",
        f"orders/{paid.pk}/order.pdf",
        f"orders/{paid.pk}/receipt",
        f"orders/{paid.pk}/receipt.pdf",
        "invoices/1",
        "invoices/1/invoice.pdf",
        "invoices/99999999999999999999",
    ):
        assert bob_client.get(f"/panel/{path}").status_code == 404, path
    assert "Order 1" not in text(bob_client, "/panel/orders")
    assert bob_client.post(f"/panel/orders/{unpaid.pk}/cancel").status_code == 404
    unpaid.refresh_from_db()
    assert unpaid.status is Order.Status.OPEN


@pytest.mark.every_database  # constraints
def test_a_cancelled_order_is_final_and_credited(
    alice: Customer, alice_client: Client, staff: User
) -> None:
    order = place(alice)
    path = f"/panel/orders/{order.pk}/cancel"
    assert alice_client.get(path).status_code == 405
    page = alice_client.post(path, follow=True).content.decode()
    assert "Nothing is due" in page
    invoice, credit_note = Invoice.objects.order_by("sequence")
    assert (credit_note.cancels, credit_note.total) == (invoice, -1178_10)
    assert "cannot be cancelled: it is cancelled" in alice_client.post(path, follow=True).text
    with pytest.raises(Refused, match="is cancelled"):
        pay(order, staff)
    assert Invoice.objects.count() == 2
    printed = pdf(alice_client, "/panel/invoices/2/invoice.pdf")
    assert "EUR -1,178.10" in printed
    assert "Cancels the whole invoice TR-000001" in printed


def test_a_paid_order_cannot_be_cancelled(
    alice: Customer, alice_client: Client, staff: User
) -> None:
    order = pay(place(alice), staff)
    page = alice_client.post(f"/panel/orders/{order.pk}/cancel", follow=True).content.decode()
    assert "cannot be cancelled: it is done" in page
    assert Invoice.objects.count() == 1


@pytest.mark.every_database  # transactions
def test_a_number_that_was_rolled_back_is_given_again(alice: Customer) -> None:
    with transaction.atomic():
        place(alice)
        transaction.set_rollback(True)
    place(alice)
    place(alice, months=1)
    assert list(Invoice.objects.values_list("sequence", flat=True).order_by("pk")) == [1, 2]


@pytest.mark.every_database  # two at once
@pytest.mark.django_db(transaction=True)
def test_two_writers_at_once_skip_no_number_and_give_none_twice(
    alice: Customer, bob: Customer
) -> None:
    for account in range(100000000000, 100000000006):
        at_once(*(partial(place, who, account=str(account)) for who in (alice, bob)))
    numbers = Invoice.objects.values_list("sequence", flat=True).order_by("sequence")
    assert list(numbers) == list(range(1, 13))


@pytest.mark.every_database  # two at once
@pytest.mark.django_db(transaction=True)
def test_of_cancelling_and_paying_at_once_one_wins(alice: Customer, staff: User) -> None:
    def tried(verb: Callable[[], Any]) -> bool:
        try:
            verb()
        except Refused:
            return False
        return True

    for account in range(100000000000, 100000000004):
        order = place(alice, account=str(account))
        won = at_once(
            partial(tried, partial(pay, order, staff)),
            partial(tried, partial(payments.cancel, order, by=alice.user, at=timezone.now())),
        )
        assert sum(won) == 1
        assert IssuedLicense.objects.filter(order=order).exists() is won[0]


def test_mark_paid_shows_whose_money_it_is_before_the_second_yes(
    alice: Customer, staff_client: Client
) -> None:
    order = place(alice)
    page = act(staff_client, "mark_paid", order)
    said = (str(order), "alice@example.com", "Acme", "12 months", ACCOUNT, "EUR 1,178.10")
    for fact in (*said, "invoice TR-000001", "awaiting payment"):
        assert fact in page
    assert order.status is Order.Status.OPEN


def test_a_payment_can_be_undone_until_the_key_is_issued(
    alice: Customer, staff: User, staff_client: Client
) -> None:
    held, done = place(alice), place(alice, account=OTHER_ACCOUNT)
    pay(done, staff)
    issuing.suspend(alice, by=staff, why="chargeback", at=timezone.now())
    pay(held, staff)
    page = act(staff_client, "undo_payment", held, done, why="wrong customer")
    assert f"Done: {held}." in page
    assert f"Refused: {done}: The key of {done} was issued." in page
    assert Act.objects.get(kind=Act.Kind.UNPAID).why == "wrong customer"
    assert {order.status for order in Order.objects.filter(pk=held.pk)} == {Order.Status.OPEN}
    issuing.reinstate(alice, by=staff, why="settled", at=timezone.now())
    assert IssuedLicense.objects.get().order == done
    pay(held, staff)
    assert IssuedLicense.objects.filter(order=held).count() == 1
    assert Invoice.objects.count() == 2  # the invoice stayed


def test_staff_cancel_an_order_with_a_reason(alice: Customer, staff_client: Client) -> None:
    order = place(alice)
    assert f"Done: {order}." in act(staff_client, "cancel", order, why="asked by phone")
    assert Act.objects.get(kind=Act.Kind.CANCELLED).why == "asked by phone"
