from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django import forms

from detectors import buckets
from detectors.buckets import BucketSettings
from detectors.models import Bucket, Sensitivity


class SettingsForm(forms.Form):
    """The settings of a registered bucket."""

    sensitivity = forms.ChoiceField(choices=Sensitivity.choices, initial=Sensitivity.NORMAL)
    is_canary = forms.BooleanField(required=False, label="Canary: every use is a finding")
    canary_keys = forms.CharField(
        required=False,
        max_length=120_000,
        label="Canary keys, one on each line; * at the end stands for any text",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    allowed = forms.CharField(
        required=False,
        max_length=40_000,
        label="Allowed, one on each line: an ARN, service NAME, or tag KEY=VALUE; * stands for any"
        " text",
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for key, words in buckets.FLOORS.items():
            self.fields[f"floor_{key}"] = forms.IntegerField(
                required=False,
                min_value=1,
                max_value=buckets.FLOOR_MAX,
                label=f"Floor in an hour: {words}",
                widget=forms.NumberInput(attrs={"placeholder": "By sensitivity"}),
            )

    def clean_allowed(self) -> str:
        allowed = buckets.normalized(self.cleaned_data["allowed"].splitlines())
        if problem := buckets.problem_of_allowed(allowed):
            raise forms.ValidationError(problem)
        return allowed

    def clean_canary_keys(self) -> str:
        keys = buckets.normalized(self.cleaned_data["canary_keys"].splitlines())
        if problem := buckets.problem_of_canary_keys(keys):
            raise forms.ValidationError(problem)
        return keys

    @property
    def floors(self) -> list[forms.BoundField]:
        """The fields of the floors."""
        return [self[f"floor_{key}"] for key in buckets.FLOORS]

    @classmethod
    def of(cls, bucket: Bucket) -> SettingsForm:
        """Returns a form with the settings of a bucket."""
        floors = {f"floor_{key}": floor for key, floor in (bucket.floors or {}).items()}
        return cls(initial=asdict(BucketSettings.of(bucket)) | floors)

    def settings(self) -> BucketSettings:
        """Returns the validated settings."""
        return BucketSettings(
            self.cleaned_data["sensitivity"],
            self.cleaned_data["is_canary"],
            self.cleaned_data["allowed"],
            self.cleaned_data["canary_keys"],
            {
                key: floor
                for key in buckets.FLOORS
                if (floor := self.cleaned_data[f"floor_{key}"]) is not None
            }
            or None,
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
