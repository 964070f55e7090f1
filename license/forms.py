"""The form that installs a license key."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from license import installation
from license.installation import Installation, InstallPreview
from license.models import License
from storage.instants import human


class LicenseForm(forms.ModelForm[License]):
    """Takes a key and validates it before it is stored. The License page and the admin use it.

    `preview` is what installing the key would do; None until a key has been read.
    """

    confirm = forms.BooleanField(
        label="Install it anyway",
        required=False,
        help_text="Needed for a key that ends sooner than the one in force, or goes from Paid to"
        " Trial.",
    )

    preview: InstallPreview | None = None

    class Meta:
        model = License
        fields = ["key"]
        labels = {"key": "License key"}
        help_texts = {"key": "Paste it as it came; spaces and line breaks do no harm."}
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
        error_messages = {"key": {"required": "Paste a license key first."}}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.at = timezone.now()  # validated and installed at one instant

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        """Sets `preview`, and adds an error for a refused key or a missing confirmation."""
        cleaned = super().clean() or self.cleaned_data
        if "key" not in cleaned:
            return cleaned
        self.preview = installation.preview(cleaned["key"], self.at)
        if self.preview.error:
            self.add_error("key", f"{self.preview.error} Nothing was changed.")
        elif self.preview.confirmation and not cleaned["confirm"]:
            self.add_error(
                "confirm", f"{self.preview.confirmation} Tick the box to install it anyway."
            )
        return cleaned

    @sensitive_variables()
    def install(self, *, by: User, source: License.Source) -> str:
        """Installs the key of a valid form and returns a sentence that says what was done.

        Raises LicenseError or ConfirmationNeeded if another key was installed since `clean`.
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


def _in_words(done: Installation, at: datetime) -> str:
    claims = done.claims
    if not done.created:
        return "This license was installed already. Nothing was changed."
    if claims.not_before > at:
        return f"The license is installed. It takes over by itself on {human(claims.not_before)}."
    return (
        f"The {claims.plan.value.title()} license is installed."
        f" It runs until {human(claims.expires_at)}."
    )
