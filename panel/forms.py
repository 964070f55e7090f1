"""Forms for requesting and replacing licenses, and changes to allauth's forms."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

from allauth.account import forms as account_forms
from allauth.core import context
from allauth.mfa.webauthn import forms as webauthn_forms
from django import forms
from django.core.exceptions import ValidationError
from django_countries import countries

from license import account_proof
from panel import codes, selling
from panel.adapters import CODE
from panel.models import Order, Role, account_id_field_validator, refuse_example_account
from serving.passkeys import CredentialForm, wrong_answer


def normalized(account_id: str) -> str:
    """Returns the account id without spaces and hyphens, and without NUL, as databases want it."""
    return re.sub(r"[\s\0-]", "", account_id)


class AccountIdField(forms.CharField):
    """An AWS account id: 12 digits. Spaces and hyphens are removed."""

    default_validators = [account_id_field_validator, refuse_example_account]
    widget = forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"})

    def to_python(self, value: object) -> str:
        return normalized(str(super().to_python(value) or ""))


def _insist_on_printable(value: str) -> None:
    if not value.isprintable():
        raise ValidationError("This contains unprintable characters.")


class RequestForm(forms.Form):
    """The AWS account and the company name for a Trial."""

    account_id = AccountIdField(
        label="AWS account id",
        max_length=40,
        help_text="The 12-digit account id. Copy it from the License page of your portal.",
        error_messages={"required": "Enter the AWS account that the portal runs in."},
    )
    name = forms.CharField(
        label="Company",
        max_length=200,
        required=False,
        help_text="Optional. Shown in the license.",
        validators=[_insist_on_printable],
    )


def _line(
    label: str, max_length: int, autocomplete: str, *, required: bool = True, help_text: str = ""
) -> forms.CharField:
    """One line of text, as browsers fill in addresses."""
    return forms.CharField(
        label=label,
        max_length=max_length,
        required=required,
        help_text=help_text,
        validators=[_insist_on_printable],
        widget=forms.TextInput(attrs={"autocomplete": autocomplete}),
        error_messages={"required": f"Enter the {label.lower()}."},
    )


class TermRadios(forms.RadioSelect):
    """Radio buttons. A link to the field leads to the first one."""

    def id_for_label(self, id_: str, index: str | None = None) -> str:
        return super().id_for_label(id_, index or "0")


class TrialForm(RequestForm):
    """The AWS account with a proof of it, and the company name for a Trial."""

    proof = forms.CharField(
        required=False,
        max_length=account_proof.MAX_LENGTH,
        widget=forms.Textarea(
            attrs={
                "rows": 3,
                "autocomplete": "off",
                "autocapitalize": "off",
                "spellcheck": "false",
            }
        ),
        help_text="Valid for 15 minutes. It contains no secret key.",
        error_messages={"max_length": "The text is too long to be a proof. Copy only the proof."},
    )
    field_order = ["account_id", "proof", "name"]


class OrderForm(RequestForm):
    """The AWS account, the term and the billing details for a Paid license."""

    months = forms.TypedChoiceField(
        label="Term",
        coerce=int,
        choices=Order._meta.get_field("months").flatchoices,
        initial=12,
        widget=TermRadios,
        error_messages={"required": "Choose a term."},
    )
    street = _line("Street and number", 200, "street-address")
    postal_code = _line("Postal code", 20, "postal-code", required=False)
    city = _line("City", 100, "address-level2")
    country = forms.ChoiceField(
        label="Country",
        choices=lambda: [("", "Choose a country"), *countries],
        widget=forms.Select(attrs={"autocomplete": "country"}),
        error_messages={"required": "Choose a country."},
    )
    vat_id = _line(
        "VAT ID",
        30,
        "off",
        required=False,
        help_text="Optional. Companies in the European Union enter theirs, with the country code.",
    )
    purchase_order = _line(
        "Purchase order number",
        50,
        "off",
        required=False,
        help_text="Optional. Shown on the invoice.",
    )
    field_order = ["account_id", "months", "name"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name = self.fields["name"]
        name.required, name.help_text = True, "Shown on the invoice and in the license."
        name.widget.attrs |= {"autocomplete": "organization"}
        name.error_messages["required"] = "Enter the company that the invoice is for."

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        if said.get("vat_id") and said.get("country"):
            try:
                said["vat_id"] = selling.vat_id_of(said["country"], said["vat_id"])
            except ValueError as error:
                self.add_error("vat_id", str(error))
        return said

    @property
    def billing(self) -> selling.Billing:
        """The billing details of a valid form."""
        return selling.Billing(
            **{field.name: self.cleaned_data[field.name] for field in fields(selling.Billing)}
        )


class ReasonForm(forms.Form):
    """The reason for an action. The journal stores it."""

    why = forms.CharField(
        label="Reason",
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Stored in the journal with the date and your name.",
        error_messages={"required": "Enter a reason. It is stored in the journal."},
    )


class ToldReasonForm(ReasonForm):
    """The reason for an action of staff, which the customer reads."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[
            "why"
        ].help_text = (
            "Emailed to the customer, and stored in the journal with the date and your name."
        )


class RoleForm(forms.Form):
    """The role of a member."""

    role = forms.ChoiceField(choices=Role)


class InvitationForm(RoleForm):
    """The address and the role of a person to invite."""

    email = forms.EmailField(
        max_length=150,  # also the user name
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        error_messages={"required": "Enter an email address."},
    )
    role = forms.ChoiceField(choices=Role, initial=Role.TECHNICAL)
    field_order = ["email", "role"]


class OwnerForm(ReasonForm):
    """For staff, who give a customer an owner."""

    email = forms.EmailField(
        max_length=150,
        help_text="A member becomes an owner. Anybody else is invited as an owner.",
        error_messages={"required": "Enter an email address."},
    )


class ApproveAccountForm(ReasonForm):
    """For staff, who approve an AWS account that its customer cannot prove."""

    account_id = AccountIdField(
        label="AWS account id",
        max_length=40,
        help_text="The customer can then start the trial of this account.",
        error_messages={"required": "Enter the AWS account."},
    )


class ReplaceForm(ReasonForm):
    """For staff, who can also move a license to another AWS account."""

    account_id = AccountIdField(
        label="AWS account id",
        max_length=40,
        required=False,
        help_text="Leave empty to keep the account. To move the license, enter the new account.",
    )


class ConfirmLoginCodeForm(account_forms.ConfirmLoginCodeForm):  # type: ignore[misc]  # not typed
    """Accepts any code recently emailed to the address, in any browser. See panel.codes."""

    def clean_code(self) -> str:
        stage, code = context.request._login_stage, self.cleaned_data["code"]
        is_good = stage.login.user and codes.take(CODE, stage.state["email"], code)
        self.expected_code = code if is_good else ""
        return str(super().clean_code())


class ConfirmEmailVerificationCodeForm(account_forms.ConfirmEmailVerificationCodeForm):  # type: ignore[misc]
    """Accepts any code recently emailed to the address, in any browser. See panel.codes."""

    def clean_code(self) -> str:
        code = self.cleaned_data["code"]
        is_good = self.user and codes.take(CODE, self.email, code)
        self.expected_code = code if is_good else ""
        return str(super().clean_code())


class _PasskeyForm(CredentialForm):
    """Rejects a malformed credential with a validation error."""

    def clean_credential(self) -> Any:
        with wrong_answer():
            return super().clean_credential()  # type: ignore[misc]  # of the other base class


class AuthenticateWebAuthnForm(_PasskeyForm, webauthn_forms.AuthenticateWebAuthnForm):  # type: ignore[misc]
    """Rejects a malformed credential with a validation error."""


class ReauthenticateWebAuthnForm(_PasskeyForm, webauthn_forms.ReauthenticateWebAuthnForm):  # type: ignore[misc]
    """Rejects a malformed credential with a validation error."""


class LoginWebAuthnForm(_PasskeyForm, webauthn_forms.LoginWebAuthnForm):  # type: ignore[misc]
    """Rejects a malformed credential with a validation error."""


class AddWebAuthnForm(CredentialForm, webauthn_forms.AddWebAuthnForm):  # type: ignore[misc]
    """Rejects a malformed credential with a validation error."""

    def clean(self) -> Any:
        with wrong_answer():
            return super().clean()
