"""The forms with which an operator requests an action."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from actions import durations
from actions.by_hand import AS_SET, LASTS, REASON_MAX_LENGTH, Request
from findings.models import Finding


class ReasonForm(forms.Form):
    """Why an action is requested."""

    reason = forms.CharField(max_length=REASON_MAX_LENGTH, help_text="For the log")


class HandForm(forms.Form):
    """What is requested, for how long, and why."""

    what = forms.CharField(label="Action")  # its choices are `offers`
    lasts = forms.ChoiceField(
        label="Duration",
        choices=LASTS,
        required=False,
        initial=AS_SET,
        help_text="Of blocks and exceptions. By default, an exception has no end",
    )
    reason = forms.CharField(max_length=REASON_MAX_LENGTH, help_text="For the log")

    def __init__(self, choices: Sequence[tuple[str, str]], data: Any = None) -> None:
        super().__init__(data)
        self.fields["what"] = forms.ChoiceField(label="Action", choices=choices)

    def request(self, target_kind: str, target: str, finding: Finding | None, what: str) -> Request:
        """Returns the request of a valid form about this target."""
        lasts = self.cleaned_data["lasts"]
        return Request(
            what,
            target_kind,
            target,
            self.cleaned_data["reason"],
            finding,
            lasts=None if lasts == AS_SET else durations.parse(lasts),
            lasts_as_set=lasts == AS_SET,
        )
