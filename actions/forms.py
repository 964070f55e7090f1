"""The forms with which an operator requests an action."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from actions import durations
from actions.by_hand import AS_SET, LASTS, REASON_MAX_LENGTH, Request
from actions.models import CONTAINMENTS
from actions.offers import ALLOW, ActionTarget
from findings.guardduty.parser import ENTITY_NAME_MAX_LENGTH
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
        help_text="Of blocks, denials and exceptions. By default, an exception has no end",
    )
    reason = forms.CharField(max_length=REASON_MAX_LENGTH, help_text="For the log")

    def __init__(self, choices: Sequence[tuple[str, str]], data: Any = None) -> None:
        super().__init__(data)
        self.fields["what"] = forms.ChoiceField(label="Action", choices=choices)

    def request(self, target: ActionTarget, finding: Finding | None, what: str) -> Request:
        """Returns the request of a valid form about this target."""
        lasts = self.cleaned_data["lasts"]
        return Request(
            what,
            *target,
            self.cleaned_data["reason"],
            finding,
            lasts=None if lasts == AS_SET else durations.parse(lasts),
            lasts_as_set=lasts == AS_SET,
        )


# What can be blocked comes first: addresses and domains.
_CONTAINED = [str(kind) for one in CONTAINMENTS.values() for kind in sorted(one.targets)]


class ExceptionForm(forms.Form):
    """An entity for the allowlist, also if no finding has named it yet."""

    kind = forms.ChoiceField(choices=[(kind, kind.capitalize()) for kind in _CONTAINED])
    name = forms.CharField(
        label="Address, domain, name or ID",
        max_length=ENTITY_NAME_MAX_LENGTH,
        help_text="As in findings, without wildcards",
    )
    lasts = forms.ChoiceField(
        label="Duration", choices=[("", "No end"), *LASTS[1:-1]], required=False
    )
    reason = forms.CharField(max_length=REASON_MAX_LENGTH, help_text="For the log")

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if not name.isprintable():
            raise forms.ValidationError("The name contains characters that cannot be displayed.")
        return name

    def request(self) -> Request:
        """Returns the request of a valid form: an exception for every finding type."""
        wanted = self.cleaned_data
        lasts = durations.parse(wanted["lasts"]) if wanted["lasts"] else None
        return Request(
            ALLOW, wanted["kind"], wanted["name"], wanted["reason"], lasts=lasts, lasts_as_set=False
        )
