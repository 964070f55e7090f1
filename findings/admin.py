from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from pydantic import ValidationError

from accounts.api_auth import Caller
from findings import catalogue, policy
from findings.models import PolicyChange, Target, ThreatPolicy
from findings.policy import Setting
from findings.schemas import PolicyUpdate
from problems.json_body import describe
from storage.admin_filters import OwnFiltersOnly

if TYPE_CHECKING:
    from collections.abc import Iterable


class ThreatPolicyForm(forms.ModelForm[ThreatPolicy]):
    """Validates a setting with the rules of PUT /findings."""

    class Meta:
        model = ThreatPolicy
        fields = ["service", "finding_type", "severity", "action"]
        widgets = {"service": forms.Select}
        help_texts = {
            "service": "Applies to every finding type of the service. Set a service or a finding"
            " type, not both.",
            "finding_type": "For example, UnauthorizedAccess:EC2/SSHBruteForce.",
            "severity": "Leave empty for every severity.",
            "action": "Revoke requires a finding type whose findings can name a credential.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if service := self.fields.get("service"):
            cast(forms.Select, service.widget).choices = [
                ("", "---------"),
                *((name, name) for name in sorted(catalogue.SERVICES)),
            ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        # Read-only fields are not in the form.
        values = {
            name: cleaned.get(name, getattr(self.instance, name)) or None
            for name in ("service", "finding_type", "severity", "action")
        }
        if self.errors:
            return cleaned
        try:
            PolicyUpdate.model_validate({"policies": [values]})
        except ValidationError as refused:
            for error in refused.errors(include_url=False, include_input=False):
                name = str(error["loc"][-1])
                self.add_error(name if name in self.fields else None, describe(error))
        return cleaned


@admin.register(ThreatPolicy)
class ThreatPolicyAdmin(OwnFiltersOnly, admin.ModelAdmin[ThreatPolicy]):
    """Edits the threat policy. Every write goes through `policy.set_policies`, which logs it."""

    form = ThreatPolicyForm
    list_display = ["about", "severity", "action"]
    list_filter = ["action", "severity"]  # the search finds services
    search_fields = ["service", "finding_type"]
    ordering = ["service", "finding_type", "severity"]

    @admin.display(description="service or finding type", ordering="finding_type")
    def about(self, setting: ThreatPolicy) -> str:
        """Returns the service or finding type that the setting applies to."""
        return setting.service or setting.finding_type

    def get_readonly_fields(
        self, request: HttpRequest, obj: ThreatPolicy | None = None
    ) -> list[str]:
        return ["service", "finding_type", "severity"] if obj else []

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: ThreatPolicy | None = None) -> bool:
        return self.has_change_permission(request, obj)

    def save_model(
        self, request: HttpRequest, obj: ThreatPolicy, form: forms.ModelForm[Any], change: bool
    ) -> None:
        self._set(request, [obj], action=obj.action)
        obj.pk = ThreatPolicy.objects.values_list("pk", flat=True).get(
            service=obj.service, finding_type=obj.finding_type, severity=obj.severity
        )

    def delete_model(self, request: HttpRequest, obj: ThreatPolicy) -> None:
        self._set(request, [obj], action="")

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ThreatPolicy]) -> None:
        self._set(request, queryset, action="")

    def _set(self, request: HttpRequest, rows: Iterable[ThreatPolicy], *, action: str) -> None:
        user = cast(User, request.user)  # the admin requires a signed-in user
        policy.set_policies(
            [Setting(Target(row.service, row.finding_type, row.severity), action) for row in rows],
            by=Caller(name=user.get_username(), user=user),
            source=PolicyChange.Source.ADMIN,
            at=timezone.now(),
        )


@admin.register(PolicyChange)
class PolicyChangeAdmin(OwnFiltersOnly, admin.ModelAdmin[PolicyChange]):
    """Shows the policy change log. It is read-only for every user, superusers included."""

    list_display = [
        "changed_at",
        "changed_by_name",
        "service",
        "finding_type",
        "severity",
        "action_before",
        "action_after",
        "source",
    ]
    list_filter = ["source", "action_after", "severity"]
    search_fields = ["changed_by_name", "client_id", "service", "finding_type"]
    date_hierarchy = "changed_at"
    ordering = ["-changed_at", "-pk"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: PolicyChange | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: PolicyChange | None = None) -> bool:
        return False
