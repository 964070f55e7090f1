"""Changes to allauth's forms, and the filter of the security log."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from allauth.account import forms as account_forms
from allauth.account.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.base.forms import ReauthenticateForm as ReauthenticateCodeForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django import forms
from django.contrib.auth.models import User
from django.db.models import Q
from django.http import HttpRequest

from accounts import background
from accounts.models import EventKind, SecurityEventQuerySet
from accounts.security_log import record
from serving.passkeys import CredentialForm, wrong_answer
from storage import filters


class EndSessionsForm(forms.Form):
    """The session to end. Empty means all except the current one."""

    session = forms.IntegerField(min_value=1, max_value=2**63 - 1, required=False)


class SecurityLogFilter(filters.FilterForm):
    """Filters of the security log. An event must match all of them."""

    who = forms.CharField(
        label="Search",
        max_length=150,
        required=False,
        widget=filters.SearchInput,
        help_text="Username or ID of an API client",
    )
    period = forms.ChoiceField(
        label="Time", required=False, choices=[("", "Any time"), *filters.Period.choices]
    )
    kind = forms.ChoiceField(
        label="Event", choices=[("", "All events"), *EventKind.choices], required=False
    )
    address = forms.GenericIPAddressField(label="Source address", required=False)
    since = filters.InstantField(label="From (UTC)", required=False)
    until = filters.InstantField(label="To (UTC)", required=False)

    def narrow(self, events: SecurityEventQuerySet, *, now: datetime) -> SecurityEventQuerySet:
        """Returns the events that match. Call it only if the form is valid."""
        asked = self.asked()
        if kind := asked.get("kind"):
            events = events.filter(kind=kind)
        if who := asked.get("who"):
            events = events.filter(Q(user_name=who) | Q(client_id=who) | Q(by_name=who))
        if address := asked.get("address"):
            events = events.filter(address=address)
        if period := asked.get("period"):
            events = events.filter(at__gte=now - filters.Period(period).length)
        if since := asked.get("since"):
            events = events.filter(at__gte=since)
        if until := asked.get("until"):
            events = events.filter(at__lt=until)
        return events


class _Labeled(forms.Form):
    """Labels in sentence case, and no placeholders that repeat them."""

    labels: ClassVar[dict[str, str]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.label = self.labels.get(name, field.label)
            field.widget.attrs.pop("placeholder", None)


_NEW_PASSWORD = {"password1": "New password", "password2": "New password again"}


class LoginForm(_Labeled, account_forms.LoginForm):  # type: ignore[misc]  # allauth is not typed
    """Signs in by user name or email address."""

    labels: ClassVar = {"login": "Username or email"}

    def user_credentials(self) -> dict[str, str]:
        """Returns the login as `username` only; allauth's backend looks for both.

        If it were also passed as `email`, a known email address would cost a second password
        hash, and the response time would disclose which addresses exist.
        """
        return {
            "username": self.cleaned_data["login"],
            "password": self.cleaned_data["password"],
        }


class ChangePasswordForm(_Labeled, account_forms.ChangePasswordForm):  # type: ignore[misc]
    """Another password."""

    labels: ClassVar = {"oldpassword": "Current password", **_NEW_PASSWORD}


class SetPasswordForm(_Labeled, account_forms.SetPasswordForm):  # type: ignore[misc]
    """A password for a user who has none."""

    labels: ClassVar = _NEW_PASSWORD


class ResetPasswordKeyForm(_Labeled, account_forms.ResetPasswordKeyForm):  # type: ignore[misc]
    """A password by a link: of an invitation, or for a lost one."""

    labels: ClassVar = _NEW_PASSWORD


class LinkForm(account_forms.UserTokenForm):  # type: ignore[misc]
    """The key in a link to set a password. Deactivated users cannot use it."""

    def clean(self) -> Any:
        cleaned = super().clean()
        if not self.reset_user.is_active:
            raise get_adapter().validation_error("invalid_password_reset")
        return cleaned


class AddEmailForm(_Labeled, account_forms.AddEmailForm):  # type: ignore[misc]
    """One more email address."""

    labels: ClassVar = {"email": "Email address"}


class ReauthenticateForm(_Labeled, account_forms.ReauthenticateForm):  # type: ignore[misc]
    """The password, again."""


class CodeForm(_Labeled, AuthenticateForm):  # type: ignore[misc]
    """A code as the second factor."""


class ReauthenticateByCodeForm(_Labeled, ReauthenticateCodeForm):  # type: ignore[misc]
    """A code to reauthenticate."""


class ActivateAppForm(_Labeled, ActivateTOTPForm):  # type: ignore[misc]
    """The first code of an authenticator app."""


class ResetPasswordForm(_Labeled, account_forms.ResetPasswordForm):  # type: ignore[misc]
    """Looks up the address and sends the mail in the background.

    Otherwise the response time would disclose which addresses exist.
    """

    labels: ClassVar = {"email": "Email address"}

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"])

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        """Queues the mail and returns the address."""
        email = str(self.cleaned_data["email"])
        background.run(self._send, request, email, **kwargs)
        return email

    def _send(self, request: HttpRequest, email: str, **kwargs: Any) -> None:
        super().clean_email()
        super().save(request, **kwargs)


class _PasskeyForm(CredentialForm):
    """Records failed passkeys: allauth sends a signal for wrong codes only."""

    user: User | None

    def clean_credential(self) -> Authenticator:
        try:
            with wrong_answer():
                return super().clean_credential()  # type: ignore[misc]  # of the other base class
        except forms.ValidationError as error:
            if error.code == "incorrect_code":
                self._tell()
            raise

    def _tell(self) -> None:
        record(EventKind.SECOND_FACTOR_FAILED, user=self.user, method="webauthn")


class PasskeyLoginForm(_PasskeyForm, LoginWebAuthnForm):  # type: ignore[misc]
    """Sign-in with a passkey only."""


class PasskeyAuthenticateForm(_PasskeyForm, AuthenticateWebAuthnForm):  # type: ignore[misc]
    """A passkey or security key as the second factor."""


class PasskeyReauthenticateForm(_PasskeyForm, ReauthenticateWebAuthnForm):  # type: ignore[misc]
    """A passkey or security key to reauthenticate."""


class PasskeyAddForm(CredentialForm, AddWebAuthnForm):  # type: ignore[misc]
    """A new passkey or security key."""

    def clean(self) -> Any:
        with wrong_answer():
            return super().clean()
