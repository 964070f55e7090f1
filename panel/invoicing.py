"""Issues invoices and credit notes. Each call runs in the caller's transaction."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django_countries import countries

from panel import selling
from panel.models import Counter, Invoice, Order


def issue(order: Order, *, at: datetime) -> Invoice | None:
    """Returns the order's invoice; issues it if there is none. None if the order has no price.

    The caller has locked the customer, so that an order gets one invoice.
    """
    if not order.currency:
        return None
    return order.invoice or Invoice.objects.create(
        sequence=_next_number(),
        order=order,
        issued_at=at,
        seller=seller(),
        buyer=buyer(order),
        purchase_order=order.purchase_order,
        item=order.item,
        currency=order.currency,
        net=order.net,
        tax=order.tax,
        tax_label=order.tax_label,
        tax_note=order.tax_note,
        bank_details="" if order.paid_at else bank_details(),
    )


def credit(invoice: Invoice, *, at: datetime) -> Invoice:
    """Returns a new credit note over the whole invoice."""
    return Invoice.objects.create(
        sequence=_next_number(),
        order=invoice.order,
        cancels=invoice,
        issued_at=at,
        seller=invoice.seller,
        buyer=invoice.buyer,
        purchase_order=invoice.purchase_order,
        item=invoice.item,
        currency=invoice.currency,
        net=-invoice.net,
        tax=-invoice.tax,
        tax_label=invoice.tax_label,
        tax_note=invoice.tax_note,
        bank_details="",
    )


def seller() -> str:
    """Returns the lines about the seller, from settings."""
    vat_id = [f"VAT ID {settings.SELLER_VAT_ID}"] if settings.SELLER_VAT_ID else []
    return "\n".join([*selling.lines(settings.SELLER_ADDRESS), *vat_id])


def buyer(order: Order) -> str:
    """Returns the lines about the customer, from the order."""
    town = f"{order.postal_code} {order.city}".strip()
    vat_id = f"VAT ID {order.vat_id}" if order.vat_id else ""
    country = countries.name(order.country)
    return "\n".join(filter(None, [order.company, order.street, town, country, vat_id]))


def bank_details() -> str:
    """Returns where customers transfer money, from settings. Empty if they pay by card."""
    return "" if selling.by_card() else "\n".join(selling.lines(settings.BANK_DETAILS))


def _next_number() -> int:
    # The row stays locked until the transaction ends: the next writer waits, and a number that is
    # rolled back is given again.
    Counter.objects.get_or_create(name="invoice")
    counter = Counter.objects.select_for_update().get(name="invoice")
    counter.last += 1
    counter.save(update_fields=["last"])
    return counter.last
