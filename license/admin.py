"""The key history in the Django admin."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from license.forms import LicenseForm
from license.installation import ConfirmationNeeded
from license.models import License
from license.reasons import LicenseError
from storage.admin_filters import OwnFiltersOnly


@admin.register(License)
class LicenseAdmin(OwnFiltersOnly, admin.ModelAdmin[License]):
    """The key history. Administrators can view and add keys, but not change or delete them."""

    form = LicenseForm
    list_display = [
        "masked_key",
        "plan_untrusted",
        "expires_at_untrusted",
        "installed_at",
        "installed_by",
        "source",
    ]
    list_select_related = ["installed_by"]
    ordering = ["-installed_at", "-pk"]
    actions = None

    @admin.display(description="key")
    def masked_key(self, installed: License) -> str:
        """Return the first and last characters of the key; see License.masked_key."""
        return installed.masked_key

    def get_fieldsets(self, request: HttpRequest, obj: License | None = None) -> Any:
        if obj is None:
            help_text = (
                "The portal validates the key before it stores it. A rejected key changes nothing."
            )
            return [(None, {"fields": ["key", "confirm"], "description": help_text})]
        return [
            (
                "Claims of the key at installation",
                {
                    "fields": ["masked_key", "jti", "plan_untrusted", "expires_at_untrusted"],
                    "description": "Copies for the history. Only the signed key has an effect.",
                },
            ),
            ("Installation", {"fields": ["installed_at", "installed_by", "source"]}),
        ]

    def has_change_permission(self, request: HttpRequest, obj: License | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: License | None = None) -> bool:
        return False

    @method_decorator(sensitive_post_parameters("key"))
    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        hidden = {"show_save_and_add_another": False, "show_save_and_continue": False}
        context = hidden | (extra_context or {})
        try:
            return super().add_view(request, form_url, context)
        except (LicenseError, ConfirmationNeeded):
            # Another key was installed meanwhile. The form validates again and shows the error.
            return super().add_view(request, form_url, context)

    def save_model(
        self, request: HttpRequest, obj: License, form: forms.ModelForm[Any], change: bool
    ) -> None:
        valid = cast(LicenseForm, form)
        done = valid.install(
            by=cast(User, request.user),  # the admin requires sign-in
            source=License.Source.ADMIN,
        )
        obj.pk, obj.jti = valid.instance.pk, valid.instance.jti  # for the admin's own log
        messages.success(request, done)

    def response_add(
        self, request: HttpRequest, obj: License, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Redirect to the list. `save_model` has already added the message."""
        return self.response_post_save_add(request, obj)
