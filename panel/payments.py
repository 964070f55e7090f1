"""Stripe Checkout, where Stripe's keys are set. It says that an order is paid, and no more: what
follows is panel.issuing's."""

from __future__ import annotations

import logging
from typing import Any, Literal

import stripe
from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from stripe.checkout import Session

from panel import issuing
from panel.models import Order

logger = logging.getLogger(__name__)

PAID_EVENTS = {"checkout.session.completed", "checkout.session.async_payment_succeeded"}


class PaymentError(Exception):
    """Stripe could not be asked. The text is for people."""


class ForgedEvent(Exception):
    """A message that Stripe has not signed, or signed too long ago, or that is no event."""


def by_card() -> bool:
    """Whether orders are paid at Stripe; else a member of staff marks them paid."""
    return bool(settings.STRIPE_SECRET_KEY)


def checkout_url(order: Order) -> str:
    """Where the customer pays this order. An order has one open session at a time, so that it
    cannot be paid twice. Raises PaymentError."""
    try:
        session = _open_session(order) or _new_session(order)
    except stripe.StripeError as error:
        logger.error("Stripe failed for order %d: %s", order.pk, type(error).__name__)
        msg = "The payment page cannot be opened just now. The order is kept; try again later."
        raise PaymentError(msg) from None
    if order.stripe_session != session.id:
        order.stripe_session = session.id
        order.save(update_fields=["stripe_session"])
    return str(session.url)


def receive(payload: bytes, signature: str) -> None:
    """Takes in an event that Stripe sends. The same event again changes nothing.

    Raises ForgedEvent, and SigningError where the license cannot be issued: then nothing has
    happened, and Stripe sends the event again.
    """
    event = _verified(payload, signature)
    if event.type not in PAID_EVENTS:
        return
    try:
        session = _Session.model_validate(event.data.object)
    except ValidationError:
        raise ForgedEvent from None
    if session.payment_status != "paid":
        return  # a slow payment: another event follows when it has succeeded
    order = Order.objects.filter(stripe_session=session.id).first()
    if order is None or session.client_reference_id != str(order.pk):
        logger.error("Stripe event %s is about no order of ours.", event.id)
        return
    if order.paid_by == Order.Payment.INVOICE:
        logger.error("Order %d was paid by invoice and at Stripe (event %s).", order.pk, event.id)
    issuing.settle(
        order,
        paid_by=Order.Payment.STRIPE,
        by=None,
        why=f"Stripe event {event.id}",
        at=timezone.now(),
    )


class _Session(BaseModel):
    """A Checkout Session, as far as it tells which order is paid. Stripe has more members."""

    model_config = ConfigDict(strict=True)

    id: str = Field(pattern=r"^[A-Za-z0-9_]+$", max_length=255)
    client_reference_id: str | None
    mode: Literal["payment"]
    payment_status: str


class _Data(BaseModel):
    object: dict[str, Any]


class _Event(BaseModel):
    model_config = ConfigDict(strict=True)

    id: str = Field(pattern=r"^[A-Za-z0-9_]+$", max_length=255)  # it is kept in the journal
    type: str
    data: _Data


def _verified(payload: bytes, signature: str) -> _Event:
    """The event, where Stripe has signed it and it is one. Raises ForgedEvent."""
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


def _open_session(order: Order) -> Session | None:
    if not order.stripe_session:
        return None
    session = _client().v1.checkout.sessions.retrieve(order.stripe_session)
    if session.status == "complete":
        msg = "This order has been paid. The license follows as soon as Stripe confirms it."
        raise PaymentError(msg)
    return session if session.status == "open" else None


def _new_session(order: Order) -> Session:
    back = f"{settings.PANEL_URL.removesuffix('/panel')}{reverse('order', args=[order.pk])}"
    return _client().v1.checkout.sessions.create(
        params={
            "mode": "payment",
            "line_items": [{"price": settings.STRIPE_PRICES[order.months], "quantity": 1}],
            "client_reference_id": str(order.pk),
            "customer_email": order.customer.user.email,
            "success_url": back,
            "cancel_url": back,
        },
        # Two clicks at once get one session. Stripe keeps the answer to a key for a day, also one
        # that failed: hence the hour.
        options={
            "idempotency_key": f"order-{order.pk}-after-{order.stripe_session or 'none'}"
            f"-{timezone.now():%Y%m%d%H}"
        },
    )


def _client() -> stripe.StripeClient:
    return stripe.StripeClient(
        settings.STRIPE_SECRET_KEY,
        base_addresses={"api": settings.STRIPE_API_URL},
        http_client=stripe.RequestsClient(timeout=10),  # seconds
    )
