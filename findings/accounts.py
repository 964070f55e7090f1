"""The AWS accounts that findings come from, and what people call them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django import forms
from django.db.models import Count, Max

from findings.models import AccountName, Finding

_ACCOUNT_ID = re.compile(r"[0-9]{12}")


@dataclass(frozen=True, slots=True)
class Account:
    account_id: str
    name: str  # "": it has none
    findings: int
    seen_at: datetime | None  # None: no finding has come from it


class NameForm(forms.ModelForm[AccountName]):
    """The name of an account. An empty one is taken away."""

    account_id = forms.CharField(
        max_length=64,
        label="AWS account",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    name = forms.CharField(required=False, max_length=100)

    class Meta:
        model = AccountName
        fields = ["account_id", "name"]

    def clean_account_id(self) -> str:
        account_id = str(self.cleaned_data["account_id"])
        # Some findings come with their account masked. What is listed can be named and unnamed.
        listed = (model.objects.filter(account_id=account_id) for model in (Finding, AccountName))
        if not _ACCOUNT_ID.fullmatch(account_id) and not any(rows.exists() for rows in listed):
            raise forms.ValidationError("An AWS account has 12 digits.")
        return account_id

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if not name.isprintable():
            raise forms.ValidationError("The name has characters that cannot be shown.")
        return name

    def validate_unique(self) -> None:
        """A name that is there is replaced."""

    def save(self, commit: bool = True) -> AccountName:
        account_id, name = self.cleaned_data["account_id"], self.cleaned_data["name"]
        if name:
            AccountName.objects.update_or_create(account_id=account_id, defaults={"name": name})
        else:
            AccountName.objects.filter(account_id=account_id).delete()
        return self.instance


def known() -> list[Account]:
    """Every account that a finding has come from or that has a name, by number."""
    names = dict(AccountName.objects.values_list("account_id", "name"))
    rows = Finding.objects.exclude(account_id="").values("account_id")
    seen = {
        row["account_id"]: row for row in rows.annotate(findings=Count("pk"), last=Max("seen_at"))
    }
    return [
        Account(
            account_id,
            names.get(account_id, ""),
            seen[account_id]["findings"] if account_id in seen else 0,
            seen[account_id]["last"] if account_id in seen else None,
        )
        for account_id in sorted({*names, *seen})
    ]


def give_names(findings: Iterable[Finding]) -> None:
    """Sets `account_name` of each, in one query."""
    findings = list(findings)
    ids = {finding.account_id for finding in findings}
    rows = AccountName.objects.filter(account_id__in=ids)
    names = dict(rows.values_list("account_id", "name"))
    for finding in findings:
        finding.account_name = names.get(finding.account_id, "")
