"""Orders and their invoices."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from panel import ordering, payments, selling
from panel.admin.base import ByInvoiceNumber, StatusFilter, me
from panel.forms import ReasonForm, ToldReasonForm
from panel.models import Invoice, Order
from panel.selling import money


class OrderStatusFilter(StatusFilter):
    """Orders by the status that the list shows."""

    statuses: ClassVar = {
        "open": (Order.Status.OPEN.value, Q(paid_at=None, cancelled_at=None)),
        "on_hold": (Order.Status.ON_HOLD.value, Q(paid_at__isnull=False, license=None)),
        "done": (Order.Status.DONE.value, Q(license__isnull=False)),
        "cancelled": (Order.Status.CANCELLED.value, Q(cancelled_at__isnull=False)),
    }


@admin.register(Order)
class OrderAdmin(ByInvoiceNumber[Order]):
    """Orders, with actions to mark them paid, to undo that and to cancel them."""

    sequence_field = "invoice__sequence"

    list_display = [
        "__str__",
        "state",
        "customer",
        "aws_account_id",
        "months",
        "total_shown",
        "placed_at",
    ]
    list_filter = [OrderStatusFilter, "months"]
    list_select_related = ["customer__user", "license"]
    search_fields = [
        "customer__members__user__email",
        "customer__name",
        "aws_account_id",
        "license__jti",
        "=id",
        "=invoice__sequence",
        "company",
        "purchase_order",
    ]
    csv_columns: ClassVar = {
        "order": lambda order: order.pk,
        "status": lambda order: order.status.value,
        "customer": lambda order: order.customer.user.email,
        "company": lambda order: order.company or order.customer.name,
        "aws_account_id": lambda order: order.aws_account_id,
        "months": lambda order: order.months,
        "currency": lambda order: order.currency,
        "net": lambda order: selling.decimal(order.net),
        "tax": lambda order: selling.decimal(order.tax),
        "total": lambda order: selling.decimal(order.total),
        "placed_at": lambda order: order.placed_at,
        "paid_at": lambda order: order.paid_at,
        "paid_by": lambda order: order.paid_by,
        "cancelled_at": lambda order: order.cancelled_at,
    }
    ordering = ["-placed_at", "-pk"]
    actions = ["mark_paid", "undo_payment", "cancel"]
    fields: ClassVar = [
        "customer",
        "aws_account_id",
        "months",
        "state",
        "placed_at",
        "paid_at",
        "paid_by",
        "cancelled_at",
        "stripe_session",
        "invoices",
        "company",
        "street",
        "postal_code",
        "city",
        "country",
        "vat_id",
        "purchase_order",
        "net_shown",
        "tax_shown",
        "total_shown",
    ]

    @admin.display(description="invoices and credit notes")
    def invoices(self, order: Order) -> str:
        """Returns the numbers of the order's invoice and credit note."""
        return ", ".join(map(str, order.invoice_set.order_by("sequence"))) or "-"

    @admin.display(description="net")
    def net_shown(self, order: Order) -> str:
        """Returns the price without tax."""
        return money(order.net, order.currency)

    @admin.display(description="tax")
    def tax_shown(self, order: Order) -> str:
        """Returns the tax, with its name and rate."""
        return f"{money(order.tax, order.currency)} {order.tax_label} {order.tax_note}"

    @admin.display(description="total")
    def total_shown(self, order: Order) -> str:
        """Returns the price with tax."""
        return order.total_shown.replace(" ", "\N{NO-BREAK SPACE}") or "-"

    @admin.display(description="status")
    def state(self, order: Order) -> str:
        """Returns the current status of the order."""
        return order.status.value

    def has_mark_paid_permission(self, request: HttpRequest) -> bool:
        """Whether the user may run the `mark_paid` action."""
        return request.user.has_perm("panel.mark_paid_order")

    @admin.action(description="Mark paid and issue the license", permissions=["mark_paid"])
    def mark_paid(self, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse | None:
        """Marks the selected orders paid by invoice and issues their licenses."""

        def do(order: Order, said: dict[str, Any]) -> None:
            settled = ordering.settle(
                order,
                paid_by=Order.Payment.INVOICE,
                by=me(request),
                why=said["why"],
                at=timezone.now(),
            )
            if settled.status is Order.Status.ON_HOLD:
                messages.warning(
                    request, f"{order}: the customer is suspended; no license was issued."
                )

        return self.act_on_each(
            request, queryset, ReasonForm, "Mark orders paid", do, self._described
        )

    @admin.action(
        description="Undo the payment, before the license is issued", permissions=["mark_paid"]
    )
    def undo_payment(self, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse | None:
        """Makes the selected paid orders unpaid, if their licenses were not issued."""

        def do(order: Order, said: dict[str, Any]) -> None:
            ordering.undo_payment(order, by=me(request), why=said["why"], at=timezone.now())

        return self.act_on_each(
            request, queryset, ToldReasonForm, "Undo payments", do, self._described
        )

    @admin.action(description="Cancel, before payment", permissions=["mark_paid"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse | None:
        """Cancels the selected unpaid orders."""

        def do(order: Order, said: dict[str, Any]) -> None:
            payments.cancel(order, by=me(request), why=said["why"], at=timezone.now())

        return self.act_on_each(
            request, queryset, ToldReasonForm, "Cancel orders", do, self._described
        )

    @staticmethod
    def _described(order: Order) -> str:
        """What staff compare with the payment."""
        said = [
            str(order),
            str(order.customer),
            order.company,
            f"{order.get_months_display()} for AWS account {order.aws_account_id}",
            order.total_shown,
            f"invoice {order.invoice}" if order.invoice else "",
            order.status.value,
        ]
        return " · ".join(filter(None, said))


@admin.register(Invoice)
class InvoiceAdmin(ByInvoiceNumber[Invoice]):
    """Invoices and credit notes."""

    sequence_field = "sequence"

    list_display = ["__str__", "issued_at", "order", "customer", "cancels", "amount"]
    list_select_related = ["order__customer__user", "cancels"]
    search_fields = ["=sequence", "=order__id", "buyer", "purchase_order"]
    ordering = ["-sequence"]
    actions = None
    fields: ClassVar = [
        "__str__",
        "cancels",
        "order",
        "customer",
        "issued_at",
        "seller",
        "buyer",
        "purchase_order",
        "item",
        "tax_label",
        "tax_note",
        "amount",
        "bank_details",
        "pdf",
    ]

    @admin.display(description="PDF")
    def pdf(self, invoice: Invoice) -> str:
        """Returns a link to what the customer got."""
        url = reverse("invoice-pdf", args=[invoice.sequence])
        return format_html('<a href="{}">{}</a>', url, invoice.number)

    @admin.display(description="customer")
    def customer(self, invoice: Invoice) -> str:
        """Returns who ordered."""
        return str(invoice.order.customer)

    @admin.display(description="total")
    def amount(self, invoice: Invoice) -> str:
        """Returns the total with tax. That of a credit note is negative."""
        return money(invoice.total, invoice.currency)
