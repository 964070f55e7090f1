"""allauth's forms, where they need a better word or a thicker skin."""

from __future__ import annotations

from typing import Any

from allauth.account import forms
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import LoginWebAuthnForm


class LoginForm(forms.LoginForm):  # type: ignore[misc]  # allauth is not typed
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
