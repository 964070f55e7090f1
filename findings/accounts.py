"""AWS accounts that findings come from, and their display names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from django import forms
from django.db.models import OuterRef, Subquery

from findings.models import AccountName, AccountSum, Finding

_ACCOUNT_ID = re.compile(r"[0-9]{12}")


@dataclass(frozen=True, slots=True)
class Account:
    """An AWS account with its display name and finding statistics."""

    account_id: str
    name: str  # "" if it has no name
    findings: int  # number of findings
    seen_at: datetime | None  # last seen; None if it has no findings


class NameForm(forms.ModelForm[AccountName]):
    """Sets the display name of an account. An empty name removes it."""

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
        # Some findings have a masked account ID. Any listed account can be named.
        listed = (model.objects.filter(account_id=account_id) for model in (Finding, AccountName))
        if not _ACCOUNT_ID.fullmatch(account_id) and not any(rows.exists() for rows in listed):
            raise forms.ValidationError("An AWS account ID has 12 digits.")
        return account_id

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if not name.isprintable():
            raise forms.ValidationError("The name contains characters that cannot be displayed.")
        return name

    def validate_unique(self) -> None:
        """Skips the check: `save` replaces an existing name."""

    def save(self, commit: bool = True) -> AccountName:
        account_id, name = self.cleaned_data["account_id"], self.cleaned_data["name"]
        if name:
            AccountName.objects.update_or_create(account_id=account_id, defaults={"name": name})
        else:
            AccountName.objects.filter(account_id=account_id).delete()
        return self.instance


def known() -> list[Account]:
    """Returns every account that has findings or a name, ordered by account ID."""
    names = dict(AccountName.objects.values_list("account_id", "name"))
    newest = Finding.objects.filter(account_id=OuterRef("account_id")).order_by("-seen_at")
    rows = AccountSum.objects.exclude(account_id="").filter(findings__gt=0)
    seen = {
        account_id: (findings, last)
        for account_id, findings, last in rows.values_list(
            "account_id", "findings", Subquery(newest.values("seen_at")[:1])
        )
    }
    return [
        Account(account_id, names.get(account_id, ""), *seen.get(account_id, (0, None)))
        for account_id in sorted({*names, *seen})
    ]


COLUMNS = {
    "account": {"": "ascending"},
    "name": {"name": "ascending"},
    "findings": {"findings": "descending"},
    "seen": {"seen": "descending"},
}


def in_order(known: Iterable[Account], sort: str) -> list[Account]:
    """Returns the accounts in an order of COLUMNS; by account ID in any other."""
    if sort == "name":
        return sorted(known, key=lambda one: (not one.name, one.name.casefold(), one.account_id))
    if sort == "findings":
        return sorted(known, key=lambda one: (-one.findings, one.account_id))
    if sort == "seen":
        never = datetime.min.replace(tzinfo=UTC)
        return sorted(known, key=lambda one: one.seen_at or never, reverse=True)
    return list(known)


def give_names(findings: Iterable[Finding]) -> None:
    """Sets `account_name` on each finding, "" if the account has no name. Runs one query."""
    findings = list(findings)
    ids = {finding.account_id for finding in findings}
    rows = AccountName.objects.filter(account_id__in=ids)
    names = dict(rows.values_list("account_id", "name"))
    for finding in findings:
        finding.account_name = names.get(finding.account_id, "")
