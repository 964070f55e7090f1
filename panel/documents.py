"""What orders, invoices, credit notes and receipts say. panel.pdf and a template lay it out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from panel import invoicing
from panel.models import Invoice, Order
from panel.selling import money
from storage.instants import human

Facts = list[tuple[str, str]]


@dataclass(frozen=True)
class Document:
    """A document for printing. All texts are for people."""

    title: str
    filename: str
    dated_at: datetime
    seller: str
    buyer: str
    facts: Facts
    item: str
    amounts: Facts
    notes: list[str] = field(default_factory=list)
    bank_details: str = ""
    reference: str = ""


def of_order(order: Order) -> Document:
    """Returns the confirmation of a priced order."""
    return Document(
        title=str(order),
        filename=f"order-{order.pk}.pdf",
        dated_at=order.placed_at,
        seller=invoicing.seller(),
        buyer=invoicing.buyer(order),
        facts=[
            ("Placed", f"{human(order.placed_at)}"),
            *_purchase_order(order.purchase_order),
            ("Status", order.status.value.capitalize()),
        ],
        item=order.item,
        amounts=_amounts(order.net, order.tax_label, order.tax, order.total, order.currency),
        notes=[order.tax_note] if order.tax_note else [],
    )


def of_invoice(invoice: Invoice) -> Document:
    """Returns an invoice or a credit note. Both never change."""
    cancels = invoice.cancels
    kind = "Credit note" if cancels else "Invoice"
    return Document(
        title=f"{kind} {invoice.number}",
        filename=f"{kind.lower().replace(' ', '-')}-{invoice.number}.pdf",
        dated_at=invoice.issued_at,
        seller=invoice.seller,
        buyer=invoice.buyer,
        facts=_invoice_facts(invoice),
        item=invoice.item,
        amounts=_invoice_amounts(invoice),
        notes=[
            *([invoice.tax_note] if invoice.tax_note else []),
            *([f"Cancels the whole invoice {cancels.number}. Nothing is due."] if cancels else []),
        ],
        bank_details=invoice.bank_details,
        reference=invoice.number if invoice.bank_details else "",
    )


def of_receipt(order: Order, invoice: Invoice) -> Document:
    """Returns the receipt of a paid order with this invoice."""
    assert order.paid_at  # noqa: S101  (the caller has looked)
    how = "by card, at Stripe" if order.paid_by == Order.Payment.STRIPE else "by bank transfer"
    return Document(
        title=f"Receipt for invoice {invoice.number}",
        filename=f"receipt-{invoice.number}.pdf",
        dated_at=order.paid_at,
        seller=invoice.seller,
        buyer=invoice.buyer,
        facts=[("Paid", f"{human(order.paid_at)}, {how}"), *_invoice_facts(invoice)],
        item=invoice.item,
        amounts=_invoice_amounts(invoice),
        notes=[
            *([invoice.tax_note] if invoice.tax_note else []),
            f"We received {money(invoice.total, invoice.currency)}. Nothing is due.",
        ],
    )


def _invoice_facts(invoice: Invoice) -> Facts:
    return [
        ("Issued", human(invoice.issued_at)),
        ("Order", str(invoice.order_id)),
        *_purchase_order(invoice.purchase_order),
    ]


def _purchase_order(number: str) -> Facts:
    return [("Your purchase order", number)] if number else []


def _invoice_amounts(invoice: Invoice) -> Facts:
    return _amounts(invoice.net, invoice.tax_label, invoice.tax, invoice.total, invoice.currency)


def _amounts(net: int, tax_label: str, tax: int, total: int, currency: str) -> Facts:
    taxed = [("Net", money(net, currency)), (tax_label, money(tax, currency))]
    return [*(taxed if tax_label else []), ("Total", money(total, currency))]
