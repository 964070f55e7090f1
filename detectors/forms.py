from __future__ import annotations

from django import forms

from detectors import buckets
from detectors.buckets import BucketSettings
from detectors.models import Sensitivity


class SettingsForm(forms.Form):
    """The settings of a registered bucket."""

    sensitivity = forms.ChoiceField(choices=Sensitivity.choices, initial=Sensitivity.NORMAL)
    is_canary = forms.BooleanField(required=False, label="Canary: every use is a finding")
    allowed = forms.CharField(
        required=False,
        max_length=40_000,
        label="Allowed principals, one on each line; * stands for any text",
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def clean_allowed(self) -> str:
        allowed = buckets.normalized(self.cleaned_data["allowed"].splitlines())
        if problem := buckets.problem_of_allowed(allowed):
            raise forms.ValidationError(problem)
        return allowed

    def settings(self) -> BucketSettings:
        """Returns the validated settings."""
        return BucketSettings(
            self.cleaned_data["sensitivity"],
            self.cleaned_data["is_canary"],
            self.cleaned_data["allowed"],
        )


class BucketForm(forms.Form):
    """Registers a bucket with the usual settings."""

    name = forms.CharField(
        max_length=255, label="Bucket", widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    sensitivity = forms.ChoiceField(choices=Sensitivity.choices, initial=Sensitivity.NORMAL)

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"]).removeprefix("s3://").rstrip("/")
        if problem := buckets.problem_of_name(name):
            raise forms.ValidationError(problem)
        return name
