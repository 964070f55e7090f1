"""The list of findings, newest first: what it can be narrowed to, and page by page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from django.db.models import Q, QuerySet, TextChoices
from pydantic import BaseModel, ConfigDict, Field

from findings.guardduty.parser import Address
from findings.models import Action, Entity, Finding, Mention
from storage import filters
from storage.filters import Filter, Instant, Name
from storage.paging import CursorPager

PAGER = CursorPager(25, by="seen_at")


class SeverityOrUnknown(TextChoices):
    """What the list can be narrowed to: a severity, or none in the finding."""

    LOW = "LOW", "Low"
    MEDIUM = "MEDIUM", "Medium"
    HIGH = "HIGH", "High"
    CRITICAL = "CRITICAL", "Critical"
    UNKNOWN = "unknown", "Unknown"


class Parsed(TextChoices):
    """Whether the portal could parse the finding; an unparsed one is stored as raw JSON."""

    YES = "yes", "Yes"
    NO = "no", "No"


class EventQuery(BaseModel):
    """Which findings to list; all of those given have to hold."""

    model_config = ConfigDict(use_enum_values=True)

    since: Annotated[Instant | None, Filter("seen_at__gte", "From (UTC)")] = Field(
        None, description="Last seen at this instant, or after it."
    )
    until: Annotated[Instant | None, Filter("seen_at__lt", "To (UTC)")] = Field(
        None, description="Last seen before this instant."
    )
    severity: Annotated[SeverityOrUnknown | None, Filter()] = None
    action: Annotated[Action | None, Filter("action")] = Field(
        None, description="What the policy said when it arrived."
    )
    type: Annotated[Name | None, Filter("finding_type", "Finding type")] = Field(
        None, max_length=200, description="The finding type."
    )
    account: Annotated[Name | None, Filter("account_id", "AWS account")] = Field(
        None, max_length=64, description="The AWS account."
    )
    entity: Annotated[Name | None, Filter(help_text="an address, an id, a name")] = Field(
        None,
        max_length=512,
        description="An address, an id or a name that the finding names.",
        examples=["198.51.100.7"],
    )
    parsed: Annotated[Parsed | None, Filter()] = Field(
        None, description="Whether the portal could parse the finding."
    )
    after: str | None = Field(
        None, pattern=f"^{PAGER.pattern}$", description="`next` of the page before."
    )


EventFilter = filters.form_of(EventQuery)


def listed(asked: Mapping[str, Any]) -> QuerySet[Finding]:
    """The findings that fit what a valid EventFilter asks; what the list does not show is left."""
    findings = Finding.objects.all()
    if "entity" in asked:  # first what few findings have
        named = Mention.objects.filter(entity__name=asked["entity"])
        findings = findings.filter(pk__in=named.values("finding"))
    if severity := asked.get("severity"):
        is_unknown = severity == SeverityOrUnknown.UNKNOWN
        findings = findings.filter(severity="" if is_unknown else severity)
    if parsed := asked.get("parsed"):  # an unparsed finding has no type
        unparsed = Q(finding_type="")
        findings = findings.filter(unparsed if parsed == Parsed.NO else ~unparsed)
    return filters.narrow(findings, EventQuery, asked).defer("raw")


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
