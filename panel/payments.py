"""Payment with Stripe Checkout, if Stripe's keys are set. panel.ordering handles paid orders."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, Literal

import stripe
from django.conf import settings
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from stripe.checkout import Session

from panel import mail, ordering, selling
from panel.customers import Refused
from panel.models import Act, Order

logger = logging.getLogger(__name__)

PAID_EVENTS = {"checkout.session.completed", "checkout.session.async_payment_succeeded"}


class PaymentError(Exception):
    """The payment page cannot be opened. The text is shown to the customer."""


class ForgedEvent(Exception):
    """The webhook payload is not an event, or its signature is missing, invalid or too old."""


def checkout_url(order: Order) -> str:
    """Returns the URL of the Stripe page where the customer pays this order.

    An order has one open session at a time, so that it cannot be paid twice. Raises PaymentError.
    """
    try:
        session = _open_session(order) or _new_session(order)
    except stripe.StripeError as error:
        logger.error("Stripe failed for order %d: %s", order.pk, type(error).__name__)
        msg = "The payment page cannot be opened. Your order is saved; try again later."
        raise PaymentError(msg) from None
    # Not of an order that was paid or cancelled meanwhile.
    unpaid = Order.objects.filter(pk=order.pk, paid_at=None, cancelled_at=None)
    if not unpaid.update(stripe_session=session.id):
        msg = f"{order} no longer awaits payment."
        raise PaymentError(msg)
    order.stripe_session = session.id
    return str(session.url)


def receive(payload: bytes, signature: str) -> None:
    """Processes a webhook event. Idempotent: Stripe may send an event more than once.

    `signature` is the header Stripe-Signature. Raises ForgedEvent, or SigningError if the license
    cannot be issued. Nothing is changed then, and Stripe retries.
    """
    event = _verified(payload, signature)
    if event.type not in PAID_EVENTS:
        return
    try:
        session = _Session.model_validate(event.data.object)
    except ValidationError:
        raise ForgedEvent from None
    if session.payment_status != "paid":
        return  # an asynchronous payment: another event follows
    order = Order.objects.filter(stripe_session=session.id).first()
    if order is None or session.client_reference_id != str(order.pk):
        _report(event, session, "matches no order")
        return
    if (session.amount_total, session.currency) != (order.total, order.currency.lower()):
        _report(event, session, f"is not the total of {order}, {order.total_shown}")
        return
    try:
        settled = ordering.settle(
            order,
            paid_by=Order.Payment.STRIPE,
            by=None,
            why=f"Stripe event {event.id}",
            at=timezone.now(),
        )
    except Refused as refused:  # the order was cancelled
        _report(event, session, f"cannot be used: {refused}")
        return
    if settled.paid_by == Order.Payment.INVOICE:
        _report(event, session, f"is for {order}, which was also paid by invoice")


def cancel(order: Order, *, by: User, at: datetime, why: str = "") -> None:
    """Cancels an unpaid order, and closes its page at Stripe first, so that nobody pays it later.

    Raises Refused, or PaymentError if Stripe fails or has been paid.
    """
    if order.stripe_session and selling.by_card() and order.status is Order.Status.OPEN:
        try:
            session = _open_session(order)
            if session:
                _client().v1.checkout.sessions.expire(session.id)
        except stripe.StripeError as error:
            logger.error("Stripe failed for order %d: %s", order.pk, type(error).__name__)
            msg = "The payment page cannot be closed. The order is not cancelled; try again later."
            raise PaymentError(msg) from None
    ordering.cancel(order, by=by, why=why, at=at)


class _Session(BaseModel):
    """The fields of a Checkout Session that identify the paid order."""

    model_config = ConfigDict(strict=True)

    id: str = Field(pattern=r"^[A-Za-z0-9_]+$", max_length=255)
    client_reference_id: str | None
    mode: Literal["payment"]
    payment_status: str
    amount_total: int | None = None  # minor units
    currency: str | None = Field(default=None, pattern=r"^[a-z]{3}$")


class _Data(BaseModel):
    object: dict[str, Any]


class _Event(BaseModel):
    model_config = ConfigDict(strict=True)

    id: str = Field(pattern=r"^[A-Za-z0-9_]+$", max_length=255)  # stored in the journal
    type: str
    data: _Data


def _verified(payload: bytes, signature: str) -> _Event:
    """Returns the event if its signature is valid. Raises ForgedEvent."""
    try:
        stripe.WebhookSignature.verify_header(
            payload.decode(),
            signature,
            settings.STRIPE_WEBHOOK_SECRET,
            stripe.Webhook.DEFAULT_TOLERANCE,
        )
        return _Event.model_validate_json(payload)
    except (ValueError, TypeError, stripe.SignatureVerificationError):
        raise ForgedEvent from None


def _report(event: _Event, session: _Session, wrong: str) -> None:
    """Logs a payment that settles nothing, and tells staff."""
    logger.error("The payment of Stripe event %s %s.", event.id, wrong)
    paid = selling.money(session.amount_total or 0, (session.currency or "?").upper())
    mail.tell_staff(
        "A payment at Stripe needs you",
        f"The payment of {paid} (session {session.id}, event {event.id}) {wrong}.",
        "Find it in Stripe's dashboard. Refund it, or mark the order paid in Administration.",
    )


def _open_session(order: Order) -> Session | None:
    if not order.stripe_session:
        return None
    session = _client().v1.checkout.sessions.retrieve(
        order.stripe_session, params={"expand": ["payment_intent"]}
    )
    if session.status == "complete" and not _has_failed(session):
        msg = "This order has been paid. We issue the license when Stripe confirms the payment."
        raise PaymentError(msg)
    return session if session.status == "open" else None


def _has_failed(session: Session) -> bool:
    """Whether a payment that takes days, such as a direct debit, was refused in the end."""
    intent = session.payment_intent
    return (
        session.payment_status == "unpaid"
        and isinstance(intent, stripe.PaymentIntent)
        and intent.status in {"requires_payment_method", "canceled"}
    )


def _new_session(order: Order) -> Session:
    undone = order.act_set.filter(kind=Act.Kind.PAID).count()  # the order is unpaid again
    back = f"{settings.PANEL_URL.removesuffix('/panel')}{reverse('order', args=[order.pk])}"
    return _client().v1.checkout.sessions.create(
        params={
            "mode": "payment",
            "line_items": _line_items(order),
            "client_reference_id": str(order.pk),
            "customer_email": order.customer.user.email,
            "success_url": back,
            "cancel_url": back,
        },
        # Concurrent requests get the same session. Stripe stores the response to a key, even an
        # error, for a day; the hour in the key allows a retry. Once a payment was undone, the
        # session that was paid does not come back.
        options={
            "idempotency_key": f"order-{order.pk}-{undone}-after-{order.stripe_session or 'none'}"
            f"-{timezone.now():%Y%m%d%H}"
        },
    )


def _line_items(order: Order) -> Any:
    """The order's net price and its tax, so that Stripe asks for exactly the order's total."""
    lines = [(order.item, order.net), *([(order.tax_label, order.tax)] if order.tax else [])]
    return [
        {
            "quantity": 1,
            "price_data": {
                "currency": order.currency.lower(),
                "unit_amount": amount,
                "product_data": {"name": name},
            },
        }
        for name, amount in lines
    ]


def _client() -> stripe.StripeClient:
    return stripe.StripeClient(
        settings.STRIPE_SECRET_KEY,
        base_addresses={"api": settings.STRIPE_API_URL},
        http_client=stripe.RequestsClient(timeout=10),  # seconds
    )
