"""Issued licenses."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from panel import issuing
from panel.admin.base import ReadOnlyAdmin, me
from panel.forms import ReplaceForm, ToldReasonForm
from panel.models import IssuedLicense


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
            issuing.revoke(issued, by=me(request), why=said["why"], at=timezone.now())

        return self.act_on_each(request, queryset, ToldReasonForm, "Revoke licenses", do)

    @admin.action(description="Replace, or move to another account", permissions=["replace"])
    def replace(
        self, request: HttpRequest, queryset: QuerySet[IssuedLicense]
    ) -> HttpResponse | None:
        """Replaces the selected licenses, optionally for another AWS account."""

        def do(issued: IssuedLicense, said: dict[str, Any]) -> None:
            issuing.replace(
                issued,
                by=me(request),
                why=said["why"],
                account_id=said["account_id"],
                at=timezone.now(),
            )

        return self.act_on_each(request, queryset, ReplaceForm, "Replace licenses", do)
