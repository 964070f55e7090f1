"""allauth's forms, where they need a change, and the filter of the security log."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from allauth.account import forms as account_forms
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import LoginWebAuthnForm
from django import forms
from django.db.models import Q

from accounts.models import EventKind, SecurityEventQuerySet


class SecurityLogFilter(forms.Form):
    """What to show of the security log; all of what is given has to hold."""

    kind = forms.ChoiceField(
        label="Event", choices=[("", "Every event"), *EventKind.choices], required=False
    )
    who = forms.CharField(label="Person or API client", max_length=150, required=False)
    address = forms.GenericIPAddressField(label="Address", required=False)
    since = forms.DateField(widget=forms.DateInput({"type": "date"}), required=False)
    until = forms.DateField(widget=forms.DateInput({"type": "date"}), required=False)

    def narrow(self, events: SecurityEventQuerySet) -> SecurityEventQuerySet:
        asked = self.cleaned_data
        if kind := asked["kind"]:
            events = events.filter(kind=kind)
        if who := asked["who"]:
            events = events.filter(Q(user_name=who) | Q(client_id=who) | Q(by_name=who))
        if address := asked["address"]:
            events = events.filter(address=address)
        if since := asked["since"]:
            events = events.filter(at__gte=datetime.combine(since, time.min, UTC))
        if (until := asked["until"]) and until < date.max:  # there is no day after that
            events = events.filter(at__lt=datetime.combine(until, time.min, UTC) + timedelta(1))
        return events


class LoginForm(account_forms.LoginForm):  # type: ignore[misc]  # allauth is not typed
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = "Username or e-mail"
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)

    def user_credentials(self) -> dict[str, str]:
        """The login once. allauth's backend looks for it as an e-mail address and as a username.

        Passed as both, a known e-mail address would cost a second password hash, and the time of
        the answer would tell which addresses are known.
        """
        return {
            "username": self.cleaned_data["login"],
            "password": self.cleaned_data["password"],
        }


class PasskeyLoginForm(LoginWebAuthnForm):  # type: ignore[misc]  # allauth is not typed
    def clean_credential(self) -> Authenticator:
        try:
            return super().clean_credential()
        except (AttributeError, KeyError) as malformed:
            # From JSON that no browser makes. In allauth 65.21 a stranger gets a 500 for it.
            raise get_adapter().validation_error("incorrect_code") from malformed
