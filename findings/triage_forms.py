"""The triage forms: of one event, and of many selected events."""

from __future__ import annotations

from typing import Any

from django import forms

from findings import triage
from findings.models import Finding, Status

KEEP = ("", "Keep")
NOBODY = "nobody"  # a value of the field; users have their primary key


class TriageForm(forms.Form):
    """Sets the status and the assignee of one event, and adds a note.

    The page sends what it showed, too. So what the user left as it was stays as it is now, if
    another user changed it meanwhile.
    """

    status = forms.ChoiceField(choices=Status, show_hidden_initial=True)
    assignee = forms.ChoiceField(required=False, show_hidden_initial=True)
    note = forms.CharField(
        required=False,
        max_length=triage.NOTE_MAX_LENGTH,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, data: Any = None, *, finding: Finding | None = None) -> None:
        super().__init__(data, auto_id="triage-%s")
        self.users = {str(user.pk): user for user in triage.assignable()}
        people = [(pk, user.get_username()) for pk, user in self.users.items()]
        self.fields["assignee"].choices = [(NOBODY, "Nobody"), *people]  # type: ignore[attr-defined]
        if finding:
            self.initial = {"status": finding.status, "assignee": NOBODY}
            if finding.assignee:  # who may no longer triage stays until someone changes it
                pk = str(finding.assignee.pk)
                self.initial["assignee"] = pk
                if pk not in self.users:
                    self.users[pk] = finding.assignee
                    self.fields["assignee"].choices += [(pk, str(finding.assignee))]  # type: ignore[attr-defined]

    def change(self) -> triage.Change:
        """Returns the change of a valid form."""
        chosen = {name: self.cleaned_data[name] for name in self.changed_data}
        assignee = chosen.get("assignee", "")
        return triage.Change(
            status=chosen.get("status", ""),
            assigns=bool(assignee),
            assignee=self.users.get(assignee),
            note=self.cleaned_data["note"],
        )


class ManyForm(TriageForm):
    """Does the same to the selected events, and keeps what is not chosen."""

    def __init__(self, data: Any = None, *, selected: int = 0) -> None:
        super().__init__(data)
        self.selected = selected
        for name in ("status", "assignee"):
            self.fields[name].required = False
            self.fields[name].choices = [KEEP, *self.fields[name].choices]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.selected:
            self.add_error(None, "Select at least one event.")
        if not self.errors and not any(cleaned.values()):
            self.add_error(None, "Choose a status or an assignee, or write a note.")
        return cleaned
