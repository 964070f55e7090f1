"""The form that installs a license key."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from license import account_proof, installation, pasted
from license.installation import Installation, InstallPreview
from license.models import License
from storage.instants import human


class LicenseForm(forms.ModelForm[License]):
    """Validates and installs a license key. The License page and the admin use it.

    `preview` describes the effect of installing the key; None until `clean` has read a key.
    """

    confirm = forms.BooleanField(
        label="Install it anyway",
        required=False,
        help_text="Required if the key expires before the license in force, or changes the plan"
        " from Paid to Trial.",
    )

    preview: InstallPreview | None = None

    class Meta:
        model = License
        fields = ["key"]
        labels = {"key": "License key"}
        help_texts = {
            "key": "Paste the key from the vendor's email. Spaces and line breaks are ignored."
        }
        widgets = {
            "key": forms.Textarea(
                attrs={
                    "rows": 5,
                    "autocomplete": "off",
                    "autocapitalize": "off",
                    "spellcheck": "false",
                }
            )
        }
        error_messages = {
            "key": {
                "required": "Paste a license key.",
                "null_characters_not_allowed": "This is a binary file, or text in UTF-16."
                " Save it as UTF-8. Nothing was changed.",
            }
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.at = timezone.now()  # validation and installation use the same time

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        """Set `preview`, and add an error for a rejected key or a missing confirmation."""
        cleaned = super().clean() or self.cleaned_data
        if not shown_again(self.data.get("key", "")):
            self.data = {**self.data, "key": ""}
        if "key" not in cleaned:
            return cleaned
        self.preview = installation.preview(cleaned["key"], self.at)
        if self.preview.error:
            self.add_error("key", f"{self.preview.error} Nothing was changed.")
        elif self.preview.confirmation and not cleaned["confirm"]:
            self.add_error(
                "confirm", f"{self.preview.confirmation} Select the check box to install it anyway."
            )
        return cleaned

    @sensitive_variables()
    def install(self, *, by: User, source: License.Source) -> str:
        """Install the key of a valid form and return a success message.

        Raises LicenseError or ConfirmationNeeded if another key was installed after `clean`.
        """
        done = installation.install(
            self.cleaned_data["key"],
            by=by,
            source=source,
            at=self.at,
            confirmed=self.cleaned_data["confirm"],
        )
        self.instance = done.installed
        return _in_words(done, self.at)


class ChallengeForm(forms.Form):
    """The challenge of the panel, which asks for a proof of the AWS account."""

    challenge = forms.CharField(
        max_length=300,
        help_text="The panel shows it when you request a trial.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": "Paste the challenge that the panel shows."},
    )

    def clean_challenge(self) -> str:
        challenge: str = self.cleaned_data["challenge"]
        if not account_proof.is_challenge(challenge):
            raise ValidationError("This is not a challenge. Copy it whole, and nothing else.")
        return challenge


def shown_again(key: str) -> str:
    """Return the key for the form that a response shows; "" instead of a private key."""
    return "" if pasted.is_private_key(key) else key


def _in_words(done: Installation, at: datetime) -> str:
    claims = done.claims
    if not done.created:
        return "This license is already installed. Nothing was changed."
    if claims.not_before > at:
        return f"License installed. It takes effect automatically on {human(claims.not_before)}."
    return (
        f"{claims.plan.value.title()} license installed. It expires on {human(claims.expires_at)}."
    )
