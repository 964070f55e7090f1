from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from allauth.account import forms as account_forms
from allauth.core import context
from allauth.mfa.adapter import get_adapter as get_mfa_adapter
from allauth.mfa.webauthn import forms as webauthn_forms
from django import forms
from django.core.exceptions import ValidationError

from panel import codes
from panel.adapters import CODE
from panel.models import Order, account_id_field_validator


class AccountIdField(forms.CharField):
    """Twelve digits; forgiven are the spaces and hyphens that AWS's own pages set between them."""

    default_validators = [account_id_field_validator]
    widget = forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"})

    def to_python(self, value: object) -> str:
        return re.sub(r"[\s-]", "", str(super().to_python(value) or ""))


class RequestForm(forms.Form):
    """What a license is made for."""

    account_id = AccountIdField(
        label="AWS account id",
        max_length=40,
        help_text="The 12 digits that the License page of your portal shows, with a button to copy"
        " them.",
        error_messages={"required": "Which AWS account does the portal run in?"},
    )
    name = forms.CharField(
        label="Company",
        max_length=200,
        required=False,
        help_text="Shown in the license. It can be left empty.",
    )

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if not name.isprintable():
            raise ValidationError("The name holds characters that cannot be shown.")
        return name


class OrderForm(RequestForm):
    months = forms.TypedChoiceField(
        label="Term",
        coerce=int,
        choices=Order._meta.get_field("months").flatchoices,
        initial=12,
        widget=forms.RadioSelect,
        error_messages={"required": "How long should the license run?"},
    )


class ReasonForm(forms.Form):
    why = forms.CharField(
        label="Reason",
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Kept with the date and your name.",
        error_messages={"required": "Say why; it is kept."},
    )


class ReplaceForm(ReasonForm):
    """For staff, who may also move a license."""

    account_id = AccountIdField(
        label="AWS account id",
        max_length=40,
        required=False,
        help_text="Only to move the license: the account that it moves to.",
    )


class ConfirmLoginCodeForm(account_forms.ConfirmLoginCodeForm):  # type: ignore[misc]  # not typed
    """Takes any code that was mailed to the address lately, not this browser's alone."""

    def clean_code(self) -> str:
        stage, code = context.request._login_stage, self.cleaned_data["code"]
        is_good = stage.login.user and codes.take(CODE, stage.state["email"], code)
        self.expected_code = code if is_good else ""
        return str(super().clean_code())


class ConfirmEmailVerificationCodeForm(account_forms.ConfirmEmailVerificationCodeForm):  # type: ignore[misc]
    def clean_code(self) -> str:
        code = self.cleaned_data["code"]
        is_good = self.user and codes.take(CODE, self.email, code)
        self.expected_code = code if is_good else ""
        return str(super().clean_code())


def _refusing_malformed(clean: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """JSON that no browser makes is a wrong answer. In allauth 65.21 it is a 500."""

    def cleaned(form: Any) -> Any:
        try:
            return clean(form)
        except (AttributeError, KeyError, TypeError, ValueError) as malformed:
            raise get_mfa_adapter().validation_error("incorrect_code") from malformed

    return cleaned


class AuthenticateWebAuthnForm(webauthn_forms.AuthenticateWebAuthnForm):  # type: ignore[misc]
    clean_credential = _refusing_malformed(webauthn_forms.AuthenticateWebAuthnForm.clean_credential)


class ReauthenticateWebAuthnForm(webauthn_forms.ReauthenticateWebAuthnForm):  # type: ignore[misc]
    clean_credential = AuthenticateWebAuthnForm.clean_credential


class LoginWebAuthnForm(webauthn_forms.LoginWebAuthnForm):  # type: ignore[misc]
    clean_credential = AuthenticateWebAuthnForm.clean_credential


class AddWebAuthnForm(webauthn_forms.AddWebAuthnForm):  # type: ignore[misc]
    clean = _refusing_malformed(webauthn_forms.AddWebAuthnForm.clean)
