"""Customers."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from panel import account_proof, issuing, teams
from panel.admin.base import ReadOnlyAdmin, me
from panel.forms import ApproveAccountForm, OwnerForm, ToldReasonForm
from panel.models import Customer


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
                by=me(request),
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
                customer, email=said["email"], by=me(request), why=said["why"], at=timezone.now()
            )

        return self.act_on_each(request, queryset, OwnerForm, "Give the team an owner", do)

    @admin.action(description="Suspend: issue no more licenses", permissions=["suspend"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[Customer]) -> HttpResponse | None:
        """Suspends the selected customers."""

        def do(customer: Customer, said: dict[str, Any]) -> None:
            issuing.suspend(customer, by=me(request), why=said["why"], at=timezone.now())

        return self.act_on_each(request, queryset, ToldReasonForm, "Suspend customers", do)

    @admin.action(description="Reinstate", permissions=["suspend"])
    def reinstate(self, request: HttpRequest, queryset: QuerySet[Customer]) -> HttpResponse | None:
        """Reinstates the selected customers and issues the licenses they have paid for."""

        def do(customer: Customer, said: dict[str, Any]) -> None:
            issuing.reinstate(customer, by=me(request), why=said["why"], at=timezone.now())

        return self.act_on_each(request, queryset, ToldReasonForm, "Reinstate customers", do)
