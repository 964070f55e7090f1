"""The customer's pages of orders, invoices and receipts, and Stripe's webhook."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from panel import customers, documents, payments, pdf, roles, selling
from panel.customers import Refused
from panel.documents import Document
from panel.models import Customer, Invoice, Order
from panel.payments import ForgedEvent, PaymentError
from panel.roles import Power
from panel.team_views import insist
from storage.paging import CursorPager

PAGER = CursorPager(50)


@require_safe
@never_cache
def orders(request: HttpRequest) -> HttpResponse:
    """Lists all orders of the customer, the newest first."""
    rows = _customer(request).order_set.select_related("license")
    return render(request, "panel/orders.html", {"shown": PAGER.shown(request, rows)})


@require_safe
@never_cache
def order(request: HttpRequest, pk: int) -> HttpResponse:
    """Shows an order, its status, how to pay it, and its documents."""
    placed = _order_of(request, pk)
    invoice = placed.invoice
    context = {
        "order": placed,
        "document": documents.of_order(placed) if placed.currency else None,
        "by_card": selling.by_card(),
        "invoice": invoice,
        "invoices": placed.invoice_set.order_by("sequence"),
        "why_suspended": placed.customer.why_suspended,
        "may_order": roles.may(customers.member_of(cast(User, request.user)), Power.ORDERS),
    }
    return render(request, "panel/order.html", context)


@require_safe
@never_cache
def order_pdf(request: HttpRequest, pk: int) -> HttpResponse:
    """Returns the order as a PDF."""
    placed = _order_of(request, pk)
    if not placed.currency:
        raise Http404
    return _pdf(documents.of_order(placed))


@require_safe
@never_cache
def invoice(request: HttpRequest, sequence: int) -> HttpResponse:
    """Shows an invoice or a credit note."""
    issued = _invoice_of(request, sequence)
    url = reverse("invoice-pdf", args=[issued.sequence])
    return _page(request, issued.order, documents.of_invoice(issued), url)


@require_safe
@never_cache
def invoice_pdf(request: HttpRequest, sequence: int) -> HttpResponse:
    """Returns an invoice or a credit note as a PDF, also to staff."""
    if request.user.has_perm("panel.view_invoice"):
        issued = get_object_or_404(Invoice.objects.select_related("cancels"), sequence=sequence)
    else:
        issued = _invoice_of(request, sequence)
    return _pdf(documents.of_invoice(issued))


@require_safe
@never_cache
def receipt(request: HttpRequest, pk: int) -> HttpResponse:
    """Shows the receipt of a paid order."""
    placed = _order_of(request, pk)
    return _page(request, placed, _receipt_of(placed), reverse("receipt-pdf", args=[pk]))


@require_safe
@never_cache
def receipt_pdf(request: HttpRequest, pk: int) -> HttpResponse:
    """Returns the receipt of a paid order as a PDF."""
    return _pdf(_receipt_of(_order_of(request, pk)))


@require_POST
def pay(request: HttpRequest, pk: int) -> HttpResponse:
    """Redirects to Stripe's payment page, if the order is unpaid."""
    insist(request, Power.ORDERS)
    placed = _order_of(request, pk)
    if not selling.by_card() or placed.status is not Order.Status.OPEN:
        return redirect("order", pk)
    return to_stripe(request, placed)


@require_POST
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Cancels an unpaid order."""
    insist(request, Power.ORDERS)
    placed = _order_of(request, pk)
    try:
        payments.cancel(placed, by=cast(User, request.user), at=timezone.now())
    except (Refused, PaymentError) as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, f"{placed} is cancelled.")
    return redirect("order", pk)


@csrf_exempt  # the request is authenticated by Stripe's signature
@login_not_required
@require_POST
def stripe_webhook(request: HttpRequest) -> HttpResponse:
    """Receives Stripe's events. Responds with 400 to an invalid signature, 404 without Stripe."""
    if not selling.by_card():
        return HttpResponse("Stripe is not configured.\n", status=404, content_type="text/plain")
    try:
        payments.receive(request.body, request.headers.get("Stripe-Signature", ""))
    except ForgedEvent:
        return HttpResponse("Invalid event or signature.\n", status=400, content_type="text/plain")
    return HttpResponse(status=204)


def to_stripe(request: HttpRequest, placed: Order) -> HttpResponse:
    """Redirects to Stripe's payment page, or to the order with an error."""
    try:
        return redirect(payments.checkout_url(placed))
    except PaymentError as error:
        messages.error(request, str(error))
        return redirect("order", placed.pk)


def _customer(request: HttpRequest) -> Customer:
    # LoginRequiredMiddleware requires sign-in.
    return customers.customer_of(cast(User, request.user))


def _order_of(request: HttpRequest, pk: int) -> Order:
    rows = Order.objects.select_related("license", "customer__user")
    return get_object_or_404(rows, pk=pk, customer=_customer(request))


def _invoice_of(request: HttpRequest, sequence: int) -> Invoice:
    rows = Invoice.objects.select_related("order", "cancels")
    return get_object_or_404(rows, sequence=sequence, order__customer=_customer(request))


def _receipt_of(placed: Order) -> Document:
    invoice = placed.invoice
    if not placed.paid_at or not invoice:
        raise Http404
    return documents.of_receipt(placed, invoice)


def _page(request: HttpRequest, of: Order, document: Document, pdf_url: str) -> HttpResponse:
    context = {"order": of, "document": document, "pdf_url": pdf_url}
    return render(request, "panel/document.html", context)


def _pdf(document: Document) -> HttpResponse:
    return HttpResponse(
        pdf.render(document),
        content_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="{document.filename}"'},
    )
