"""The list of findings, newest first, with filters and paging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet, TextChoices
from pydantic import BaseModel, ConfigDict, Field

from findings import search
from findings.catalogue import Severity
from findings.guardduty.parser import Address, ParsedFinding
from findings.models import Action, Entity, Finding, FindingQuerySet, Mention
from storage import filters
from storage.filters import Filter, Instant, Name
from storage.paging import CursorPager, Rows

PAGER = CursorPager(25, by="seen_at")


class SeverityOrUnknown(TextChoices):
    """The values of the severity filter: a severity level, or unknown."""

    LOW = "LOW", "Low"
    MEDIUM = "MEDIUM", "Medium"
    HIGH = "HIGH", "High"
    CRITICAL = "CRITICAL", "Critical"
    UNKNOWN = "unknown", "Unknown"


class Parsed(TextChoices):
    """Whether the portal could parse the finding; an unparsed one is stored as raw JSON."""

    YES = "yes", "Yes"
    NO = "no", "No"


class TacticOrNone(TextChoices):
    """The values of the tactic filter: an ATT&CK tactic, or none."""

    RECONNAISSANCE = "Reconnaissance", "Reconnaissance"
    RESOURCE_DEVELOPMENT = "Resource Development", "Resource Development"
    INITIAL_ACCESS = "Initial Access", "Initial Access"
    EXECUTION = "Execution", "Execution"
    PERSISTENCE = "Persistence", "Persistence"
    PRIVILEGE_ESCALATION = "Privilege Escalation", "Privilege Escalation"
    DEFENSE_EVASION = "Defense Evasion", "Defense Evasion"
    DEFENSE_IMPAIRMENT = "Defense Impairment", "Defense Impairment"
    CREDENTIAL_ACCESS = "Credential Access", "Credential Access"
    DISCOVERY = "Discovery", "Discovery"
    LATERAL_MOVEMENT = "Lateral Movement", "Lateral Movement"
    COLLECTION = "Collection", "Collection"
    COMMAND_AND_CONTROL = "Command and Control", "Command and Control"
    EXFILTRATION = "Exfiltration", "Exfiltration"
    IMPACT = "Impact", "Impact"
    NONE = "none", "None"


class StatusOrGroup(TextChoices):
    """The values of the status filter: a status, or all that are open or closed."""

    OPEN = "open", "Open: new or in progress"
    NEW = "new", "New"
    IN_PROGRESS = "in_progress", "In progress"
    CLOSED = "closed", "Closed: any outcome"
    TRUE_POSITIVE = "true_positive", "Closed: true positive"
    FALSE_POSITIVE = "false_positive", "Closed: false positive"
    BENIGN = "benign", "Closed: benign"


class Assigned(TextChoices):
    """Whether somebody is assigned."""

    YES = "yes", "To somebody"
    NO = "no", "To nobody"


class Sort(TextChoices):
    """The orders of the list."""

    OLDEST = "oldest", "Oldest first"
    SEVERITY = "severity", "Highest severity first"
    TYPE = "type", "By finding type"
    ACCOUNT = "account", "By account"


class EventQuery(BaseModel):
    """Filters for findings. A finding must match all given filters."""

    model_config = ConfigDict(use_enum_values=True)

    q: Annotated[
        Name | None,
        Filter(label="Search", help_text="Address, ARN, ID, finding type or words", is_search=True),
    ] = Field(
        None,
        max_length=512,
        description="An address, a name or ARN of an entity, the ID or ARN of a finding, an AWS"
        " account or a finding type. Other text is compared with finding types, with the beginning"
        " of entity names, and with the words of titles. Names, and words with four digits or more,"
        f" are found in the titles of the newest {search.TITLES:,} findings that match the other"
        " filters only.",
    )
    period: Annotated[filters.Period | None, Filter(label="Last seen", empty="Any time")] = Field(
        None, description="Last seen within this time before now."
    )
    since: Annotated[Instant | None, Filter("seen_at__gte", "From (UTC)")] = Field(
        None, description="Last seen at or after this time."
    )
    until: Annotated[Instant | None, Filter("seen_at__lt", "To (UTC)")] = Field(
        None, description="Last seen before this time."
    )
    severity: Annotated[SeverityOrUnknown | None, Filter()] = None
    tactic: Annotated[TacticOrNone | None, Filter(label="ATT&CK tactic")] = Field(
        None, description="The ATT&CK tactic that the finding type names, or none."
    )
    status: Annotated[StatusOrGroup | None, Filter()] = Field(
        None, description="The status of the triage."
    )
    assignee: Annotated[Name | None, Filter(help_text="User name")] = Field(
        None, max_length=150, description="The name of the user to whom it is assigned."
    )
    assigned: Annotated[Assigned | None, Filter()] = Field(
        None, description="Whether it is assigned to somebody."
    )
    action: Annotated[Action | None, Filter("action")] = Field(
        None, description="The policy action when it arrived."
    )
    type: Annotated[Name | None, Filter("finding_type", "Finding type")] = Field(
        None, max_length=200, description="The finding type."
    )
    account: Annotated[Name | None, Filter("account_id", "AWS account")] = Field(
        None, max_length=64, description="The AWS account."
    )
    entity: Annotated[Name | None, Filter(help_text="Address, ID or name")] = Field(
        None,
        max_length=512,
        description="An entity that the finding names: an address, an ID or a name.",
        examples=["198.51.100.7"],
    )
    parsed: Annotated[Parsed | None, Filter()] = Field(
        None, description="Whether the portal could parse the finding."
    )
    sort: Annotated[Sort | None, Filter(empty="Newest first")] = Field(
        None, description="The order, if it is not newest first."
    )
    after: str | None = Field(
        None, pattern=f"^{PAGER.pattern}$", description="The value of `next` on the previous page."
    )


EventFilter = filters.form_of(EventQuery)


def listed(asked: Mapping[str, Any], *, now: datetime) -> Rows[Finding]:
    """Returns the findings that match the values of a valid EventFilter, in the order asked for.

    Defers `raw`, which the list does not show.
    """
    findings = _narrowed(asked, now)
    sort = asked.get("sort")
    levels = [findings]
    if sort == Sort.SEVERITY:  # finding_by_severity, level by level
        levels = [findings.filter(severity=one) for one in _HIGHEST_FIRST]
    groups = [search.branches(asked["q"], one) if "q" in asked else [one] for one in levels]
    return Rows(
        _as_shown(Finding.objects.all()),
        groups,
        oldest_first=sort == Sort.OLDEST,
        lead=_LEADS.get(sort, ""),
    )


_HIGHEST_FIRST = [*reversed(Severity.values), ""]
_LEADS: Mapping[Any, str] = {Sort.TYPE: "finding_type", Sort.ACCOUNT: "account_id"}  # indexes
# Not by the number of sightings: GuardDuty changes it, and each change would cost an index.
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "seen": {"": "descending", Sort.OLDEST: "ascending"},
    "severity": {Sort.SEVERITY: "descending"},
    "type": {Sort.TYPE: "ascending"},
    "account": {Sort.ACCOUNT: "ascending"},
}


def _narrowed(asked: Mapping[str, Any], now: datetime) -> QuerySet[Finding]:
    findings = _as_shown(Finding.objects.all())
    if period := asked.get("period"):
        findings = findings.seen_since(now - filters.Period(period).length)
    if "entity" in asked:  # first, because it matches few findings
        named = Mention.objects.filter(entity__name=asked["entity"])
        findings = findings.filter(pk__in=named.values("finding"))
    if severity := asked.get("severity"):
        is_unknown = severity == SeverityOrUnknown.UNKNOWN
        findings = findings.filter(severity="" if is_unknown else severity)
    if tactic := asked.get("tactic"):
        findings = findings.filter(tactic="" if tactic == TacticOrNone.NONE else tactic)
    if status := asked.get("status"):
        findings = findings.filter(_OF_STATUS.get(status, Q(status=status)))
    if "assignee" in asked:
        # Not a join, with which PostgreSQL reads all findings instead of finding_by_assignee.
        users = User.objects.filter(username=asked["assignee"])
        findings = findings.filter(assignee__in=list(users.values_list("pk", flat=True)))
    if assigned := asked.get("assigned"):
        findings = findings.filter(assignee__isnull=assigned == Assigned.NO)
    if parsed := asked.get("parsed"):  # an unparsed finding has no type
        unparsed = Q(finding_type="")
        findings = findings.filter(unparsed if parsed == Parsed.NO else ~unparsed)
    return filters.narrow(findings, EventQuery, asked)


def _as_shown(findings: FindingQuerySet) -> FindingQuerySet:
    return findings.select_related("assignee").defer("raw", *_NOT_OF_AN_ASSIGNEE)


_OF_STATUS = {  # the conditions of the indexes finding_open and finding_closed
    StatusOrGroup.OPEN: Q(closed_at=None),
    StatusOrGroup.CLOSED: Q(closed_at__isnull=False),
}
_NOT_OF_AN_ASSIGNEE = [
    f"assignee__{field.name}"
    for field in User._meta.concrete_fields
    if field.name not in {"id", "username"}
]


def mark(findings: Sequence[Finding], *, now: datetime) -> None:
    """Sets `set_aside` and `is_from_future` on each finding of a page. Runs one query."""
    rows = Finding.objects.filter(pk__in=[finding.pk for finding in findings])
    raw = dict(rows.values_list("pk", "raw"))
    for finding in findings:
        finding.raw = raw[finding.pk]
        parsed = finding.parsed
        finding.set_aside = parsed.set_aside if parsed else ""
        finding.is_from_future = is_from_future(parsed, now=now)


def is_from_future(parsed: ParsedFinding | None, *, now: datetime) -> bool:
    """Returns whether a finding says that it was last seen at a time to come."""
    return bool(parsed and parsed.last_seen_at and parsed.last_seen_at > now)


class Actor(NamedTuple):
    """An entity that acted in a finding."""

    entity: Entity
    origin: Address | None  # the location of an address, if the finding includes it


def named_by(finding: Finding) -> tuple[list[Actor], list[Entity]]:
    """Returns the finding's actors and its affected resources, in the order of the finding."""
    rows = Mention.objects.filter(finding=finding).select_related("entity").order_by("pk")
    parsed = finding.parsed
    origins = {said.address: said for said in parsed.addresses} if parsed else {}
    actors = [Actor(row.entity, origins.get(row.entity.name)) for row in rows if row.is_actor]
    return actors, [row.entity for row in rows if not row.is_actor]
