"""Emails to customers and staff. No mail contains a license key: it links to the key's page.

They go through panel.outbox, in the transaction of what they tell.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.urls import reverse

from license.claims import Plan
from license.ics import consequence, expiry_event
from panel import outbox, roles, term
from panel.models import Customer, Invitation, Invoice, IssuedLicense, Order
from panel.roles import Power


def license_issued(issued: IssuedLicense) -> None:
    """Tells the members who may see keys of a new license: a trial, a paid order or a replacement.

    Of a paid order, it also tells those who order.
    """
    context = {
        "license": issued,
        "licenses_url": absolute(reverse("licenses")),
        "order_url": _order_url(issued.order) if issued.order else "",
    }
    _tell(
        issued.customer,
        f"Your {issued.get_plan_display()} license for AWS account {issued.aws_account_id}",
        render_to_string("panel/mail/license.txt", context),
        *([Power.KEYS, Power.ORDERS] if issued.order else [Power.KEYS]),
        invoice=_invoice_of_payment(issued.order),
    )


def order_received(order: Order, invoice: Invoice | None) -> None:
    """Tells the customer and staff of a new order."""
    how_to_pay = f"Pay it by card: {_order_url(order)}"
    if invoice:
        how_to_pay = (
            f"Please transfer {order.total_shown} to\n\n{invoice.bank_details}\n\nReference:"
            f" {invoice.number}\n\nThe invoice is attached, and is on the order's page:"
            f" {_order_url(order)}"
        )
    _tell(
        order.customer,
        f"{order}: we have received it",
        _paragraphs(
            f"Thank you for your order: {order.item}. Total: {order.total_shown}.",
            how_to_pay,
            "We issue the license when we receive the payment.",
        ),
        Power.ORDERS,
        invoice=invoice,
    )
    page = absolute(reverse("admin:panel_order_change", args=[order.pk]))
    tell_staff(
        f"{order} from {order.customer}",
        f"{order.item}. Total: {order.total_shown}. Company: {order.company or '-'}.",
        f"Invoice {invoice.number} is sent. Mark the order paid when the money has arrived."
        if invoice
        else "The license is issued when Stripe reports the payment.",
        page,
    )


def order_on_hold(order: Order) -> None:
    """Tells the customer and staff that a suspended customer has paid."""
    _tell(
        order.customer,
        f"{order}: we have received your payment",
        _paragraphs(
            f"We have received {order.total_shown} for {order}, but your account is on hold."
            f" Reason: {order.customer.why_suspended}",
            "We issue the license when the hold is lifted. Contact us to resolve this.",
            _order_url(order),
        ),
        Power.ORDERS,
        invoice=_invoice_of_payment(order),
    )
    tell_staff(
        f"{order} is paid, but {order.customer} is suspended",
        "No license was issued. Reinstate the customer to issue it. Or refund the payment and undo"
        " it in Administration.",
        absolute(reverse("admin:panel_order_change", args=[order.pk])),
    )


def payment_undone(order: Order, why: str) -> None:
    """Tells the customer that the order is unpaid again."""
    _tell(
        order.customer,
        f"{order}: the payment was undone",
        _paragraphs(
            f"We had recorded a payment of {order.total_shown} for {order}. It was undone: {why}",
            "The order awaits payment again. No license was issued for it.",
            _order_url(order),
        ),
        Power.ORDERS,
    )


def order_cancelled(order: Order, why: str, credit_note: Invoice | None) -> None:
    """Tells the customer and staff that an order was cancelled before it was paid."""
    reason = f" Reason: {why}" if why else ""
    _tell(
        order.customer,
        f"{order} is cancelled",
        _paragraphs(
            f"{order} is cancelled: {order.item}. Nothing is due.{reason}",
            "The attached credit note cancels the invoice." if credit_note else "",
            _order_url(order),
        ),
        Power.ORDERS,
        invoice=credit_note,
    )
    tell_staff(f"{order} from {order.customer} is cancelled", f"{order.item}.{reason}")


def suspended(customer: Customer, why: str) -> None:
    """Tells the customer why no more licenses are issued."""
    _tell(
        customer,
        "Your account is on hold",
        _paragraphs(
            f"Your account is on hold. Reason: {why}",
            "Existing licenses keep working until they end. You cannot get new ones until the hold"
            " is lifted. Contact us to resolve this.",
            absolute(reverse("licenses")),
        ),
        Power.KEYS,
        Power.ORDERS,
    )


def reinstated(customer: Customer, why: str) -> None:
    """Tells the customer that licenses are issued again."""
    _tell(
        customer,
        "Your account is no longer on hold",
        _paragraphs(
            f"Your account is no longer on hold. Reason: {why}",
            "You can get licenses again. We now issue the licenses that you have paid for.",
            absolute(reverse("licenses")),
        ),
        Power.KEYS,
        Power.ORDERS,
    )


def revoked(license: IssuedLicense, why: str) -> None:
    """Tells the customer that a license was revoked without a replacement."""
    _tell(
        license.customer,
        f"Your license for AWS account {license.aws_account_id} is revoked",
        _paragraphs(
            f"The license {license.jti} for AWS account {license.aws_account_id} is revoked."
            f" Reason: {why}",
            "Your portal rejects its key as soon as it has our next revocation list. The saved"
            " threat policy stays in force.",
            absolute(reverse("licenses")),
        ),
        Power.KEYS,
    )


def tell_staff(subject: str, *paragraphs: str) -> None:
    """Writes to every active staff user."""
    for user in User.objects.filter(is_staff=True, is_active=True).exclude(email=""):
        outbox.write(user.email, f"[Licensing] {subject}", _paragraphs(*paragraphs))


def invited(invitation: Invitation) -> None:
    """Mails an invitation to join a team."""
    context = {"invitation": invitation, "team_url": absolute(reverse("team"))}
    outbox.write(
        invitation.email,
        f"{invitation.invited_by.email} invites you to a Threat Reaction team",
        render_to_string("panel/mail/invitation.txt", context),
    )


def ends_soon(issued: IssuedLicense, *, at: datetime) -> None:
    """Reminds the members who may see keys or order that the license ends."""
    renew_url = renewal_url(issued)
    days = (term.last_day(issued.expires_at) - at.date()).days
    when = {0: "today", 1: "tomorrow"}.get(days, f"in {days} days")
    context = {"license": issued, "renew_url": renew_url, "when": when}
    account_id = issued.aws_account_id
    entry = expiry_event(
        issued.claims,
        ends_at=issued.expires_at,
        description=f"{consequence(account_id)} Renew the license: {renew_url}",
        url=renew_url,
        # It rises with each license of the account.
        sequence=IssuedLicense.objects.filter(aws_account_id=account_id).count(),
    )
    _tell(
        issued.customer,
        f"Your license for AWS account {account_id} ends {when}",
        render_to_string("panel/mail/reminder.txt", context),
        Power.KEYS,
        Power.ORDERS,
        calendar=entry.decode(),
    )


def renewal_url(issued: IssuedLicense) -> str:
    """Returns the absolute URL of the form that renews this license."""
    query = urlencode({"account_id": issued.aws_account_id, "plan": Plan.PAID.value})
    return absolute(f"{reverse('request-license')}?{query}")


def absolute(path: str) -> str:
    """Returns the URL of a path of the panel."""
    return f"{settings.PANEL_URL.removesuffix('/panel')}{path}"


def _tell(
    customer: Customer,
    subject: str,
    body: str,
    *powers: Power,
    invoice: Invoice | None = None,
    calendar: str = "",
) -> None:
    """Writes to the members with one of the powers."""
    for address in roles.addresses(customer, *powers):
        outbox.write(address, subject, body, invoice=invoice, calendar=calendar)


def _paragraphs(*paragraphs: str) -> str:
    return "\n\n".join(filter(None, paragraphs)) + "\n"


def _order_url(order: Order) -> str:
    return absolute(reverse("order", args=[order.pk]))


def _invoice_of_payment(order: Order | None) -> Invoice | None:
    """The order's invoice, if the customer did not get it when the order was received."""
    invoice = order.invoice if order else None
    return invoice if invoice and not invoice.bank_details else None
