"""The Django admin for staff. Data is read-only; actions call panel.issuing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast

# These register their models when imported; only then can they be unregistered.
import allauth.account.admin
import allauth.mfa.admin  # noqa: F401
import django.contrib.auth.admin
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth.models import Group, User
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html

from panel import account_proof, issuing, payments, selling, teams
from panel.forms import ApproveAccountForm, OwnerForm, ReasonForm, ReplaceForm, ToldReasonForm
from panel.issuing import Refused
from panel.models import Act, Customer, Invoice, IssuedLicense, Order, OutgoingMail
from panel.payments import PaymentError
from panel.selling import money
from panel.signing import SigningError
from storage.admin_filters import OwnFiltersOnly
from storage.spreadsheets import csv_lines

_M = TypeVar("_M", bound=Model)

admin.site.unregister([User, Group, EmailAddress, Authenticator])


class ReadOnlyAdmin(OwnFiltersOnly, admin.ModelAdmin[_M]):
    """A read-only admin. Rows change only through admin actions, which require a reason."""

    list_per_page = 50
    change_list_template = "panel/admin_change_list.html"
    # The columns of the CSV file, with functions of a row; without any, there is no file.
    csv_columns: ClassVar[dict[str, Callable[[Any], object]]] = {}
    csv_prefetch: ClassVar[list[str]] = []

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_csv"
        export = path("export.csv", self.admin_site.admin_view(self.export), name=name)
        return [*([export] if self.csv_columns else []), *super().get_urls()]

    def export(self, request: HttpRequest) -> StreamingHttpResponse:
        """Returns the rows of the list, with its filters and its order, as CSV."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            rows = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            raise BadRequest from None
        columns = self.csv_columns.values()
        found = rows.prefetch_related(*self.csv_prefetch).iterator(chunk_size=500)
        name = f"{self.opts.verbose_name_plural}-{timezone.now():%Y-%m-%dT%H-%M-%SZ}.csv"
        return StreamingHttpResponse(
            csv_lines(self.csv_columns, ([column(row) for column in columns] for row in found)),
            content_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "Cache-Control": "no-store",
            },
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: _M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: _M | None = None) -> bool:
        return False

    def act_on_each(
        self,
        request: HttpRequest,
        queryset: QuerySet[_M],
        form_class: type[ReasonForm],
        title: str,
        do: Callable[[_M, dict[str, Any]], object],
        describe: Callable[[_M], str] = str,
    ) -> HttpResponse | None:
        """Asks for a reason on a page, then calls `do(row, cleaned_data)` for each row.

        The page lists what `describe` returns for each row.

        Returns the page while the form is missing or invalid, then None. Rows are independent: an
        error for one row is shown as a message and does not affect the others.
        """
        # Messages start with a word: the admin capitalizes the first letter, which would change
        # a license id.
        form = form_class(request.POST if "confirmed" in request.POST else None)
        rows = list(queryset)
        if not form.is_valid():
            context = {
                **self.admin_site.each_context(request),
                "title": title,
                "opts": self.opts,
                "rows": [(row, describe(row)) for row in rows],
                "form": form,
                "action": request.POST["action"],
                "checkbox_name": ACTION_CHECKBOX_NAME,
            }
            return TemplateResponse(request, "panel/admin_reason.html", context)
        for row in rows:
            try:
                do(row, form.cleaned_data)
            except (Refused, SigningError, PaymentError) as refused:
                messages.error(request, f"Refused: {row}: {refused}")
            else:
                messages.success(request, f"Done: {row}.")
        return None


class ByInvoiceNumber(ReadOnlyAdmin[_M]):
    """Finds the rows of an invoice by its printed number, which is the reference of a transfer."""

    sequence_field: ClassVar[str]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[_M], search_term: str
    ) -> tuple[QuerySet[_M], bool]:
        number = re.fullmatch(r"\s*TR-?([0-9]{1,9})\s*", search_term, re.ASCII | re.IGNORECASE)
        if number:
            return queryset.filter(**{self.sequence_field: int(number[1])}), False
        return super().get_search_results(request, queryset, search_term)


class OrderStatusFilter(admin.SimpleListFilter):
    """Orders by the status that the list shows."""

    title = parameter_name = "status"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[str, str]]:
        return [(status.name.lower(), status.value) for status in Order.Status]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        match self.value():
            case "open":
                return queryset.filter(paid_at=None, cancelled_at=None)
            case "on_hold":
                return queryset.filter(paid_at__isnull=False, license=None)
            case "done":
                return queryset.filter(license__isnull=False)
            case "cancelled":
                return queryset.filter(cancelled_at__isnull=False)
        return queryset


@admin.register(User)
class UserAdmin(OwnFiltersOnly, django.contrib.auth.admin.UserAdmin[User]):
    """Users. Only superusers have access: the staff group has no permission for them."""


def _me(request: HttpRequest) -> User:
    return cast(User, request.user)  # the admin requires sign-in


@admin.register(IssuedLicense)
class IssuedLicenseAdmin(ReadOnlyAdmin[IssuedLicense]):
    """Issued licenses, with actions to revoke and replace them."""

    list_display = [
        "jti",
        "state",
        "customer",
        "aws_account_id",
        "plan",
        "expires_at",
        "not_before",
    ]
    list_filter = ["plan"]
    list_select_related = ["customer__user", "revocation", "replacement"]
    search_fields = ["customer__members__user__email", "customer__name", "aws_account_id", "jti"]
    csv_columns: ClassVar = {
        "license_id": lambda issued: issued.jti,
        "status": lambda issued: issued.status(timezone.now()).value,
        "customer": lambda issued: issued.customer.user.email,
        "company": lambda issued: issued.customer.name,
        "aws_account_id": lambda issued: issued.aws_account_id,
        "plan": lambda issued: issued.plan,
        "issued_at": lambda issued: issued.issued_at,
        "from": lambda issued: issued.not_before,
        "until": lambda issued: issued.expires_at,
        "order": lambda issued: issued.order_id,
    }
    ordering = ["-issued_at", "-pk"]
    actions = ["revoke", "replace"]
    fields: ClassVar = [
        "jti",
        "state",
        "customer",
        "aws_account_id",
        "plan",
        "issued_at",
        "not_before",
        "expires_at",
        "masked_key",
        "order",
        "replaces",
        "replaced_by",
    ]

    @admin.display(description="status")
    def state(self, issued: IssuedLicense) -> str:
        """Returns the current status of the license."""
        return issued.status(timezone.now()).label

    @admin.display(description="key")
    def masked_key(self, issued: IssuedLicense) -> str:
        """Returns the first and last four characters of the key."""
        return issued.masked_key

    @admin.display(description="replaced by")
    def replaced_by(self, issued: IssuedLicense) -> str:
        """Returns the id (`jti`) of the replacement license, or "-"."""
        return str(getattr(issued, "replacement", "-"))

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whether the user may run the `revoke` action."""
        return request.user.has_perm("panel.revoke_issuedlicense")

    def has_replace_permission(self, request: HttpRequest) -> bool:
        """Whether the user may run the `replace` action."""
        return request.user.has_perm("panel.replace_issuedlicense")

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(
        self, request: HttpRequest, queryset: QuerySet[IssuedLicense]
    ) -> HttpResponse | None:
        """Revokes the selected licenses."""

        def do(issued: IssuedLicense, said: dict[str, Any]) -> None:
            issuing.revoke(issued, by=_me(request), why=said["why"], at=timezone.now())

        return self.act_on_each(request, queryset, ToldReasonForm, "Revoke licenses", do)

    @admin.action(description="Replace, or move to another account", permissions=["replace"])
    def replace(
        self, request: HttpRequest, queryset: QuerySet[IssuedLicense]
    ) -> HttpResponse | None:
        """Replaces the selected licenses, optionally for another AWS account."""

        def do(issued: IssuedLicense, said: dict[str, Any]) -> None:
            issuing.replace(
                issued,
                by=_me(request),
                why=said["why"],
                account_id=said["account_id"],
                at=timezone.now(),
            )

        return self.act_on_each(request, queryset, ReplaceForm, "Replace licenses", do)


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
            settled = issuing.settle(
                order,
                paid_by=Order.Payment.INVOICE,
                by=_me(request),
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
            issuing.undo_payment(order, by=_me(request), why=said["why"], at=timezone.now())

        return self.act_on_each(
            request, queryset, ToldReasonForm, "Undo payments", do, self._described
        )

    @admin.action(description="Cancel, before payment", permissions=["mark_paid"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse | None:
        """Cancels the selected unpaid orders."""

        def do(order: Order, said: dict[str, Any]) -> None:
            payments.cancel(order, by=_me(request), why=said["why"], at=timezone.now())

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


@admin.register(Customer)
class CustomerAdmin(ReadOnlyAdmin[Customer]):
    """Customers, with actions to suspend and reinstate them."""

    list_display = ["__str__", "name", "is_suspended"]
    list_filter = ["is_suspended"]
    list_select_related = ["user"]
    search_fields = [
        "members__user__email",
        "name",
        "issuedlicense__aws_account_id",
        "issuedlicense__jti",
        "order__aws_account_id",
        "=order__id",
    ]
    csv_columns: ClassVar = {
        "customer": lambda customer: customer.user.email,
        "company": lambda customer: customer.name,
        "is_suspended": lambda customer: "yes" if customer.is_suspended else "no",
        "signed_up_at": lambda customer: customer.user.date_joined,
        "team": lambda customer: ", ".join(sorted(map(str, customer.members.all()))),
    }
    csv_prefetch: ClassVar = ["members__user"]
    ordering = ["user__email"]
    actions = ["approve_account", "make_owner", "suspend", "reinstate"]
    fields: ClassVar = ["user", "name", "people", "accounts", "is_suspended"]

    @admin.display(description="team")
    def people(self, customer: Customer) -> str:
        """Returns the members with their roles, a line each."""
        rows = customer.members.select_related("user").order_by("user__email")
        return "\n".join(str(row) for row in rows)

    @admin.display(description="proven AWS accounts")
    def accounts(self, customer: Customer) -> str:
        """Returns the AWS accounts that the customer has proven or that staff have approved."""
        proven = customer.accountproof_set.values_list("aws_account_id", flat=True)
        return ", ".join(sorted(set(proven))) or "-"

    def has_suspend_permission(self, request: HttpRequest) -> bool:
        """Whether the user may run the `suspend` and `reinstate` actions."""
        return request.user.has_perm("panel.suspend_customer")

    def has_approve_account_permission(self, request: HttpRequest) -> bool:
        """Whether the user may run the `approve_account` action."""
        return request.user.has_perm("panel.approve_account_customer")

    @admin.action(description="Approve an AWS account for a trial", permissions=["approve_account"])
    def approve_account(
        self, request: HttpRequest, queryset: QuerySet[Customer]
    ) -> HttpResponse | None:
        """Approves an AWS account that the selected customers cannot prove."""

        def do(customer: Customer, said: dict[str, Any]) -> None:
            account_proof.approve(
                customer,
                account_id=said["account_id"],
                by=_me(request),
                why=said["why"],
                at=timezone.now(),
            )

        return self.act_on_each(request, queryset, ApproveAccountForm, "Approve an AWS account", do)

    def has_make_owner_permission(self, request: HttpRequest) -> bool:
        """Whether the user may run the `make_owner` action."""
        return request.user.has_perm("panel.make_owner_customer")

    @admin.action(description="Give the team an owner", permissions=["make_owner"])
    def make_owner(self, request: HttpRequest, queryset: QuerySet[Customer]) -> HttpResponse | None:
        """Makes a member of the selected customers an owner, or invites a person as one."""

        def do(customer: Customer, said: dict[str, Any]) -> None:
            teams.make_owner(
                customer, email=said["email"], by=_me(request), why=said["why"], at=timezone.now()
            )

        return self.act_on_each(request, queryset, OwnerForm, "Give the team an owner", do)

    @admin.action(description="Suspend: issue no more licenses", permissions=["suspend"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[Customer]) -> HttpResponse | None:
        """Suspends the selected customers."""

        def do(customer: Customer, said: dict[str, Any]) -> None:
            issuing.suspend(customer, by=_me(request), why=said["why"], at=timezone.now())

        return self.act_on_each(request, queryset, ToldReasonForm, "Suspend customers", do)

    @admin.action(description="Reinstate", permissions=["suspend"])
    def reinstate(self, request: HttpRequest, queryset: QuerySet[Customer]) -> HttpResponse | None:
        """Reinstates the selected customers and issues the licenses they have paid for."""

        def do(customer: Customer, said: dict[str, Any]) -> None:
            issuing.reinstate(customer, by=_me(request), why=said["why"], at=timezone.now())

        return self.act_on_each(request, queryset, ToldReasonForm, "Reinstate customers", do)


@admin.register(Act)
class ActAdmin(ReadOnlyAdmin[Act]):
    """The journal: who did what, when and why."""

    list_display = ["at", "kind", "customer", "by", "why", "order", "license"]
    list_filter = ["kind"]
    list_select_related = ["customer__user", "license", "order", "by"]
    search_fields = [
        "customer__members__user__email",
        "customer__name",
        "license__aws_account_id",
        "license__jti",
        "order__aws_account_id",
        "=order__id",
        "by__email",
        "why",
    ]
    ordering = ["-at", "-pk"]
    actions = None
    fields: ClassVar = ["at", "kind", "customer", "license", "order", "by", "why"]


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


@admin.register(OutgoingMail)
class OutgoingMailAdmin(ReadOnlyAdmin[OutgoingMail]):
    """The mails about orders and licenses, sent or waiting."""

    list_display = ["__str__", "to", "sent_at", "written_at"]
    list_filter = [("sent_at", admin.EmptyFieldListFilter)]
    search_fields = ["to", "subject"]
    ordering = ["-pk"]
    actions = None
    fields: ClassVar = ["to", "subject", "body", "invoice", "written_at", "sent_at"]
