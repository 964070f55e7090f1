"""The forms of rules and destinations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django import forms

from findings.catalogue import Severity
from notifications import destination_settings, rule_settings
from notifications.configuration import NotValid
from notifications.destination_settings import (
    PER_HOUR_MAX,
    PREVIOUS,
    SECRET,
    WEBHOOK,
    DestinationSettings,
)
from notifications.destinations import Kind
from notifications.destinations.contract import SETTING_LENGTH
from notifications.models import NAME_MAX_LENGTH, Destination, Detail, Rule, Trigger, When
from notifications.rule_settings import PATTERNS, RuleSettings


class Lines(forms.CharField):
    """Patterns, one on each line."""

    def __init__(self, **more: Any) -> None:
        super().__init__(
            required=False, max_length=40_000, widget=forms.Textarea(attrs={"rows": 3}), **more
        )

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        lines = (super().to_python(value) or "").splitlines()
        return [line.strip() for line in lines if line.strip()]

    def clean(self, value: Any) -> list[str]:
        lines = self.to_python(value)
        if problem := rule_settings.problem_of_patterns(lines):
            raise forms.ValidationError(problem)
        return lines


class RuleForm(forms.Form):
    """The settings of a rule. The name of a rule that exists cannot change."""

    name = forms.CharField(
        max_length=NAME_MAX_LENGTH, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    enabled = forms.BooleanField(required=False, initial=True, label="The rule is on")
    trigger = forms.ChoiceField(choices=Trigger.choices, label="Tell of")
    severity = forms.ChoiceField(
        required=False,
        choices=[("", "Every severity"), *reversed(Severity.choices)],
        label="Severity at least",
    )
    types = Lines(label="Finding types", help_text="One on each line; * stands for any text")
    accounts = Lines(label="AWS accounts", help_text="One on each line; * stands for any text")
    entities = Lines(
        help_text="Addresses, instances, roles, keys, buckets; one on each line, * for any text"
    )
    tags = Lines(help_text="Of the resource, as key=value; one on each line, * for any text")
    destinations = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple)
    when = forms.ChoiceField(choices=When.choices, label="When")
    daily_at = forms.TimeField(
        initial="08:00", label="Daily digest at", widget=forms.TimeInput(attrs={"type": "time"})
    )
    quiet_from = forms.TimeField(
        required=False,
        label="Quiet from",
        help_text="CRITICAL findings and the circuit breaker are told at once all the same",
        widget=forms.TimeInput(attrs={"type": "time"}),
    )
    quiet_to = forms.TimeField(
        required=False, label="Quiet until", widget=forms.TimeInput(attrs={"type": "time"})
    )
    time_zone = forms.CharField(
        initial="UTC", max_length=64, help_text="A name such as Europe/Berlin"
    )
    detail = forms.ChoiceField(choices=Detail.choices, label="Messages are", initial=Detail.FULL)
    each = forms.BooleanField(
        required=False,
        label="One message for each new finding: repeats are not held, and none are grouped",
    )

    def __init__(self, data: Any = None, *, rule: Rule | None = None) -> None:
        initial = {"name": rule.name, **rule_settings.as_json(rule)} if rule else {}
        super().__init__(data, initial=initial)
        names = [one.name for one in destination_settings.destinations()]
        self.fields["destinations"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]
        if rule:
            self.fields["name"].disabled = True
        for name in ("daily_at", "quiet_from", "quiet_to"):
            self.fields[name].widget.format = "%H:%M"

    def parts(self) -> Iterator[tuple[str, list[forms.BoundField]]]:
        """Yields the headings of the page, each with its fields."""
        yield "What", [self[name] for name in ("name", "enabled", "trigger", "severity", *PATTERNS)]
        told = ("destinations", "when", "daily_at", "quiet_from", "quiet_to", "time_zone")
        yield "To whom, when and how", [self[name] for name in (*told, "detail", "each")]

    def settings(self) -> RuleSettings:
        """Returns the validated settings."""
        return RuleSettings(
            **{name: self.cleaned_data[name] for name in RuleSettings.__slots__},
        )


class DestinationForm(forms.Form):
    """The settings of a destination of one kind. Secrets are never shown again."""

    name = forms.CharField(
        max_length=NAME_MAX_LENGTH, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    per_hour = forms.IntegerField(
        min_value=0,
        max_value=PER_HOUR_MAX,
        initial=60,
        label="Messages an hour",
        help_text="What exceeds it is summed up in one message. 0 sets no limit",
    )

    def __init__(
        self, data: Any = None, *, kind: Kind, destination: Destination | None = None
    ) -> None:
        masked = destination.masked() if destination else {}
        initial: dict[str, Any] = {}
        if destination:
            initial = {"name": destination.name, "per_hour": destination.per_hour}
        super().__init__(data, initial=initial)
        self.kind = kind
        if destination:
            self.fields["name"].disabled = True
        for field in kind.fields:
            if kind.name == WEBHOOK and field.name in (SECRET, PREVIOUS):
                continue  # the portal generates and rotates them
            is_kept = field.secret and field.name in masked
            told = f" Leave it empty to keep {masked[field.name]}." if is_kept else ""
            self.fields[f"set_{field.name}"] = forms.CharField(
                label=field.label,
                help_text=f"{field.help}{told}",
                required=field.required and not is_kept,
                max_length=SETTING_LENGTH,
                initial="" if field.secret else masked.get(field.name, ""),
                widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
            )
        self.order_fields(["name", *(f"set_{field.name}" for field in kind.fields), "per_hour"])

    def settings(self) -> DestinationSettings:
        """Returns the validated settings, without the secrets that stay as they are."""
        secrets = {field.name for field in self.kind.fields if field.secret}
        given = {
            name.removeprefix("set_"): value
            for name, value in self.cleaned_data.items()
            if name.startswith("set_")
        }
        kept = {name: value for name, value in given.items() if value or name not in secrets}
        return DestinationSettings(self.kind.name, kept, self.cleaned_data["per_hour"])


def add_errors(form: forms.Form, refused: NotValid) -> None:
    """Adds the errors to the fields that they are about."""
    for path, text in refused.errors.items():
        names = (path[-1], f"set_{path[-1]}")
        form.add_error(next((name for name in names if name in form.fields), None), text)


def filters_of(rule: Rule) -> Mapping[str, list[str]]:
    """Returns the filters of a rule that are set, for people."""
    found = {"severity": [f"{rule.severity} or higher"] if rule.severity else []}
    found |= {member: getattr(rule, member) for member in PATTERNS}
    return {name: values for name, values in found.items() if values}
