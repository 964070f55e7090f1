"""Orders: placed, paid, made unpaid, and cancelled.

Each function runs in one transaction that first locks the customer's row (panel.customers), adds an
Act to the journal, and writes the mails that tell of it. It raises Refused if the request is not
allowed; nothing is changed then.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from panel import customers, invoicing, issuing, mail, selling
from panel.customers import Refused
from panel.models import Act, Customer, Order


@transaction.atomic
def place_order(
    customer: Customer,
    *,
    account_id: str,
    months: int,
    name: str,
    billing: selling.Billing,
    at: datetime,
    by: User | None = None,
) -> Order:
    """Returns the customer's unpaid order for this account and term; creates it if there is none.

    The order keeps today's price. If customers pay by bank transfer, its invoice is issued now.

    Raises Suspended, or Refused if nothing can be ordered, or if the unpaid order has another
    price, name or address.
    """
    customer = customers.locked(customer)
    customers.insist_on_good_standing(customer)
    if not selling.is_open():
        msg = "Paid licenses cannot be ordered at the moment. Contact us."
        raise Refused(msg)
    quote = selling.quote(months, country=billing.country, vat_id=billing.vat_id)
    agreed = {"company": name, **asdict(billing), **asdict(quote)}
    order = customer.order_set.filter(
        aws_account_id=account_id, months=months, paid_at=None, cancelled_at=None
    ).first()
    if order:
        if any(getattr(order, field) != value for field, value in agreed.items()):
            msg = (
                f"{order} for this AWS account and term awaits payment, with another price or"
                " other billing details. Pay it, or cancel it to order again."
            )
            raise Refused(msg)
        return order
    customers.rename(customer, name)
    order = Order.objects.create(
        customer=customer, aws_account_id=account_id, months=months, placed_at=at, **agreed
    )
    customers.record(Act.Kind.ORDERED, customer, by=by or customer.user, at=at, order=order)
    mail.order_received(order, None if selling.by_card() else invoicing.issue(order, at=at))
    return order


@transaction.atomic
def settle(
    order: Order, *, paid_by: Order.Payment, by: User | None, why: str, at: datetime
) -> Order:
    """Marks an order paid and issues its license. Idempotent.

    Invoices and Stripe both end here. For a suspended customer, the license is issued by
    `reinstate`. Returns the order. Raises Refused if it is cancelled.
    """
    customer = customers.locked(order.customer)
    order = _read_again(order)
    if order.cancelled_at:
        msg = f"{order} is cancelled."
        raise Refused(msg)
    is_new = order.paid_at is None
    if is_new:
        order.paid_at, order.paid_by = at, paid_by
        order.save(update_fields=["paid_at", "paid_by"])
        invoicing.issue(order, at=at)
        customers.record(Act.Kind.PAID, customer, by=by, at=at, order=order, why=why)
    if order.status is Order.Status.ON_HOLD and not customer.is_suspended:
        issuing.fulfil(order, customer, by=by, at=at)
    elif is_new:
        mail.order_on_hold(order)
    return order


@transaction.atomic
def undo_payment(order: Order, *, by: User, why: str, at: datetime) -> None:
    """Makes a paid order unpaid, until its license is issued: while its customer is suspended.

    Raises Refused otherwise.
    """
    customer = customers.locked(order.customer)
    order = _read_again(order)
    if order.status is Order.Status.DONE:
        msg = f"The key of {order} was issued. Revoke the license {order.license} instead."
        raise Refused(msg)
    if order.status is not Order.Status.ON_HOLD:
        msg = f"{order} is not paid."
        raise Refused(msg)
    order.paid_at, order.paid_by = None, ""
    order.stripe_session = None  # it is complete, and cannot be paid again
    try:
        with transaction.atomic():
            order.save(update_fields=["paid_at", "paid_by", "stripe_session"])
    except IntegrityError:
        msg = f"{customer} has another unpaid order for this AWS account and term. Cancel it first."
        raise Refused(msg) from None
    customers.record(Act.Kind.UNPAID, customer, by=by, at=at, order=order, why=why)
    mail.payment_undone(order, why)


@transaction.atomic
def cancel(order: Order, *, by: User, at: datetime, why: str = "") -> None:
    """Cancels an unpaid order for good, and its invoice with a credit note.

    The caller has closed `order.stripe_session`: see panel.payments.cancel. Raises Refused if the
    order is paid or cancelled, or if another session was opened meanwhile.
    """
    customer = customers.locked(order.customer)
    session, order = order.stripe_session, _read_again(order)
    if order.status is not Order.Status.OPEN:
        msg = f"{order} cannot be cancelled: it is {order.status.value}."
        raise Refused(msg)
    if order.stripe_session != session:
        msg = f"A payment of {order} was started meanwhile. Try again."
        raise Refused(msg)
    order.cancelled_at = at
    order.save(update_fields=["cancelled_at"])
    invoice = order.invoice
    credit_note = invoicing.credit(invoice, at=at) if invoice else None
    customers.record(Act.Kind.CANCELLED, customer, by=by, at=at, order=order, why=why)
    mail.order_cancelled(order, why, credit_note)


def _read_again(order: Order) -> Order:
    """Returns the order as it is now that its customer is locked, and locks it as well.

    panel.payments writes the order's session without the customer's lock: it waits then.
    """
    rows = Order.objects.select_for_update(of=("self",))
    return rows.select_related("license", "customer__user").get(pk=order.pk)
