"""The list of findings, newest first: what it can be narrowed to, and page by page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django import forms

from findings.catalogue import Severity
from findings.guardduty.parser import Address
from findings.models import Action, Entity, Finding, FindingQuerySet, Mention

PAGE = 25

CURSOR_PATTERN = r"([0-9]{1,17})\.([0-9]{1,18})"
_CURSOR = re.compile(CURSOR_PATTERN)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class InstantField(forms.DateTimeField):
    """An instant in UTC; one that UTC has no date for is refused, since no database takes it."""

    def to_python(self, value: Any) -> datetime | None:
        try:
            instant = super().to_python(value)
            return instant and instant.astimezone(UTC)
        except OverflowError:
            raise forms.ValidationError(self.error_messages["invalid"]) from None


class EventFilter(forms.Form):
    """Everything is optional. The names are those of the address."""

    since = InstantField(required=False, label="From (UTC)")
    until = InstantField(required=False, label="To (UTC)")
    severity = forms.ChoiceField(required=False, choices=[("", "Any"), *Severity.choices])
    action = forms.ChoiceField(required=False, choices=[("", "Any"), *Action.choices])
    type = forms.CharField(required=False, max_length=200, label="Finding type")
    account = forms.CharField(required=False, max_length=64, label="AWS account")
    entity = forms.CharField(
        required=False, max_length=512, label="Entity", help_text="an address, an id, a name"
    )

    def narrow(self, findings: FindingQuerySet) -> FindingQuerySet:
        """What a valid filter leaves of them."""
        asked = {name: value for name, value in self.cleaned_data.items() if value}
        if "entity" in asked:  # first what few findings have
            named = Mention.objects.filter(entity__name=asked["entity"])
            findings = findings.filter(pk__in=named.values("finding"))
        fields = {
            "since": "seen_at__gte",
            "until": "seen_at__lt",
            "severity": "severity",
            "action": "action",
            "type": "finding_type",
            "account": "account_id",
        }
        return findings.filter(
            **{field: asked[name] for name, field in fields.items() if name in asked}
        )


@dataclass(frozen=True, slots=True)
class EventPage:
    findings: list[Finding]
    cursor: str  # of the next page; "" where there is none


def page(findings: FindingQuerySet, *, after: str = "") -> EventPage:
    """The findings behind a cursor, which stays where it is however many arrive meanwhile. Raises
    ValueError for a cursor that this module has not made."""
    ordered = findings.newest_first()
    if after:
        ordered = ordered.older_than(*_position(after))
    rows = list(ordered.defer("raw")[: PAGE + 1])
    more = len(rows) > PAGE
    return EventPage(rows[:PAGE], _cursor(rows[PAGE - 1]) if more else "")


def _cursor(row: Finding) -> str:
    return f"{(row.seen_at - _EPOCH) // _MICROSECOND}.{row.pk}"


def _position(cursor: str) -> tuple[datetime, int]:
    if not (match := _CURSOR.fullmatch(cursor)):
        msg = "This is no cursor of the list of findings."
        raise ValueError(msg)
    return _EPOCH + int(match[1]) * _MICROSECOND, int(match[2])


class Actor(NamedTuple):
    entity: Entity
    origin: Address | None  # where it is, of an address of which the finding says so


def named_by(finding: Finding) -> tuple[list[Actor], list[Entity]]:
    """Those that acted, and what was acted upon, as far as the finding says."""
    rows = Mention.objects.filter(finding=finding).select_related("entity").order_by("pk")
    parsed = finding.parsed
    origins = {said.address: said for said in parsed.addresses} if parsed else {}
    actors = [Actor(row.entity, origins.get(row.entity.name)) for row in rows if row.is_actor]
    return actors, [row.entity for row in rows if not row.is_actor]
