from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple, Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from findings.catalogue import FINDING_TYPE_MAX_LENGTH, Severity
from findings.guardduty.parser import ParsedFinding, parse
from storage.append_only import AppendOnlyModel, AppendOnlyQuerySet


class Action(models.TextChoices):
    """The policy action for a finding when it arrives."""

    IGNORE = "IGNORE", "Ignore"
    REPORT = "REPORT", "Report"
    BLOCK = "BLOCK", "Block"
    REVOKE = "REVOKE", "Revoke"
    SAVE = "SAVE", "Save"
    # The same actions, which wait until a person approves them.
    ASK_BLOCK = "ASK_BLOCK", "Ask to block"
    ASK_REVOKE = "ASK_REVOKE", "Ask to revoke"

    @property
    def asks(self) -> bool:
        """Whether a person must approve it."""
        return self in (Action.ASK_BLOCK, Action.ASK_REVOKE)

    @property
    def once_approved(self) -> Action:
        """The action without the approval."""
        return Action(self.removeprefix("ASK_"))


class Target(NamedTuple):
    """The target of a setting: a service or a finding type, at one severity or, if "", at all."""

    service: str
    finding_type: str
    severity: str


class ThreatPolicyQuerySet(models.QuerySet["ThreatPolicy"]):
    """Queries of the policy settings."""

    def actions(self) -> dict[Target, str]:
        """Returns the action of each setting, in one query."""
        rows = self.values_list("service", "finding_type", "severity", "action")
        return {
            Target(service, finding_type, severity): action
            for service, finding_type, severity, action in rows
        }


ThreatPolicyManager = models.Manager.from_queryset(ThreatPolicyQuerySet)


class ThreatPolicy(models.Model):
    """One policy setting. Only `policy.set_policies` writes it, and logs each change."""

    service = models.CharField(max_length=FINDING_TYPE_MAX_LENGTH, blank=True)
    finding_type = models.CharField(max_length=FINDING_TYPE_MAX_LENGTH, blank=True)
    severity = models.CharField(max_length=8, blank=True, choices=Severity)
    action = models.CharField(max_length=16, choices=Action)

    objects = ThreatPolicyManager()

    class Meta:
        verbose_name = "threat policy"
        verbose_name_plural = "threat policies"
        default_permissions = ("view", "change")  # adding and removing a setting count as changes
        constraints = [
            models.UniqueConstraint(
                fields=["service", "finding_type", "severity"], name="one_setting_per_target"
            ),
            models.CheckConstraint(
                condition=Q(service="") ^ Q(finding_type=""), name="either_service_or_finding_type"
            ),
            models.CheckConstraint(
                condition=Q(severity__in=["", *Severity.values]), name="known_severity"
            ),
            models.CheckConstraint(condition=Q(action__in=Action.values), name="known_action"),
        ]

    def __str__(self) -> str:
        return f"{self.service or self.finding_type}, {self.severity or 'every severity'}"


class PolicyChangeQuerySet(AppendOnlyQuerySet["PolicyChange"]):
    """Queries of the policy change log."""

    def matching(self, words: str) -> Self:
        """Returns the changes whose service, finding type or author contains every word."""
        found = self
        for word in words.split():
            found = found.filter(
                Q(service__icontains=word)
                | Q(finding_type__icontains=word)
                | Q(changed_by_name__icontains=word)
            )
        return found

    def newest_first(self) -> Self:
        """Returns the changes, newest first."""
        return self.order_by("-changed_at", "-pk")  # the changes of one PUT have the same time


PolicyChangeManager = models.Manager.from_queryset(PolicyChangeQuerySet)


class PolicyChange(AppendOnlyModel):
    """One entry of the append-only policy change log."""

    class Source(models.TextChoices):
        """Where a change was made."""

        PAGE = "page", "Threats page"
        API = "api", "API"
        ADMIN = "admin", "Django admin"
        COMMAND = "command", "Command"

    changed_at = models.DateTimeField(db_index=True)
    # Null for a program, which `client_id` identifies.
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    changed_by_name = models.CharField(max_length=200)
    client_id = models.CharField(max_length=200, blank=True)
    source = models.CharField(max_length=8, choices=Source)
    service = models.CharField(max_length=FINDING_TYPE_MAX_LENGTH, blank=True)
    finding_type = models.CharField(max_length=FINDING_TYPE_MAX_LENGTH, blank=True)
    severity = models.CharField(max_length=8, blank=True, choices=Severity)
    action_before = models.CharField(max_length=16, blank=True, choices=Action)  # "" if not set
    action_after = models.CharField(max_length=16, blank=True, choices=Action)  # "" if removed

    objects = PolicyChangeManager()

    class Meta:
        verbose_name = "policy change"
        base_manager_name = "objects"
        default_permissions = ("view",)

    def __str__(self) -> str:
        target = self.service or self.finding_type
        return f"{target}: {self.action_before or 'not set'} to {self.action_after or 'not set'}"


class FindingQuerySet(models.QuerySet["Finding"]):
    """Queries of the findings."""

    def seen_since(self, instant: datetime) -> Self:
        """Returns the findings last seen at or after `instant`."""
        return self.filter(seen_at__gte=instant)

    def of_kinds(self, kinds: Iterable[tuple[str, str]]) -> Self:
        """Returns the findings of any of these pairs of finding type and severity."""
        types: dict[str, list[str]] = defaultdict(list)
        for finding_type, severity in kinds:
            types[severity].append(finding_type)
        wanted = Q(pk__in=[])
        for severity, names in types.items():
            wanted |= Q(severity=severity, finding_type__in=names)
        return self.filter(wanted)


FindingManager = models.Manager.from_queryset(FindingQuerySet)


class Status(models.TextChoices):
    """How far the triage of a finding has come. The last three close it, with their outcome."""

    NEW = "new", "New"
    IN_PROGRESS = "in_progress", "In progress"
    TRUE_POSITIVE = "true_positive", "True positive"
    FALSE_POSITIVE = "false_positive", "False positive"
    BENIGN = "benign", "Benign"


CLOSED = (Status.TRUE_POSITIVE, Status.FALSE_POSITIVE, Status.BENIGN)


class Finding(models.Model):
    """A GuardDuty finding. `ingest.ingest` writes it, and updates the row when it arrives again.

    `triage.triage` writes `status`, `assignee` and `closed_at`, and no other code does.
    """

    account_id = models.CharField("AWS account", max_length=64)
    region = models.CharField(max_length=64)
    finding_id = models.CharField(max_length=300)
    finding_type = models.CharField(max_length=200)
    tactic = models.CharField("ATT&CK tactic", max_length=32, blank=True)  # "" if it has none
    severity = models.CharField(max_length=8, blank=True, choices=Severity)  # "" if unknown
    score = models.FloatField("severity", null=True)  # GuardDuty's numeric severity, 1.0 to 10.0
    title = models.TextField(blank=True)
    description = models.TextField(blank=True)
    count = models.PositiveIntegerField("seen", default=1)
    first_seen_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField("last seen")  # the time of arrival if missing
    received_at = models.DateTimeField()
    # The policy action when it arrived, and the setting that applied; "" for the default.
    action = models.CharField(max_length=16, choices=Action)
    set_at = models.CharField(max_length=300, blank=True)
    problem = models.TextField(blank=True)  # why it could not be parsed; "" if it was
    raw = models.TextField()  # JSON in ASCII, which every database can store
    status = models.CharField(
        max_length=16, choices=Status, default=Status.NEW, db_default=Status.NEW
    )
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        db_index=False,  # finding_by_assignee
    )
    closed_at = models.DateTimeField(null=True)  # null while it is open

    objects = FindingManager()

    class Meta:
        default_permissions = ("view",)
        permissions = [("triage_finding", "Can triage finding")]
        constraints = [
            # The ID first: ingest and the search look it up alone.
            models.UniqueConstraint(
                fields=["finding_id", "account_id", "region"], name="each_finding_once"
            ),
            models.CheckConstraint(
                condition=Q(status__in=CLOSED, closed_at__isnull=False)
                | Q(status__in=[Status.NEW, Status.IN_PROGRESS], closed_at=None),
                name="closed_has_a_time",
            ),
        ]
        indexes = [
            models.Index(fields=["-seen_at", "-id"], name="finding_newest_first"),
            models.Index(fields=["account_id", "-seen_at", "-id"], name="finding_by_account"),
            models.Index(fields=["status", "-seen_at", "-id"], name="finding_by_status"),
            # Open and closed are several statuses each. The databases find and sort several values
            # of one index slowly, but not one partial index.
            models.Index(
                fields=["-seen_at", "-id"], name="finding_open", condition=Q(closed_at=None)
            ),
            models.Index(
                fields=["-seen_at", "-id"],
                name="finding_closed",
                condition=Q(closed_at__isnull=False),
            ),
            models.Index(
                fields=["assignee", "-seen_at", "-id"],
                name="finding_by_assignee",
                condition=Q(assignee__isnull=False),
            ),
            models.Index(fields=["finding_type", "-seen_at"], name="finding_by_type"),
            models.Index(fields=["severity", "-seen_at"], name="finding_by_severity"),
            models.Index(fields=["tactic", "-seen_at"], name="finding_by_tactic"),
            # A covering index for the counts of the Threats page's preview.
            models.Index(fields=["finding_type", "severity", "seen_at"], name="finding_by_kind"),
        ]

    account_name = ""  # the account's display name, set by findings.accounts.give_names
    set_aside = ""  # why GuardDuty or Security Hub set it aside, set by findings.events.mark
    is_from_future = False  # whether it says so, set by findings.events.mark

    def __str__(self) -> str:
        return self.finding_type or "Unparsed finding"

    @property
    def seen_since_closed(self) -> bool:
        """Whether GuardDuty saw it again after a person closed it."""
        return self.closed_at is not None and self.seen_at > self.closed_at

    @property
    def document(self) -> Any:
        """The finding as it arrived; an empty object if it is nested too deeply to be read here."""
        try:
            return json.loads(self.raw)
        except RecursionError:  # the worker, whose stack was smaller, could read it
            return {}

    @property
    def parsed(self) -> ParsedFinding | None:
        """The content, parsed again from `raw`; None if it cannot be parsed."""
        parsed = parse(self.document)
        return parsed if isinstance(parsed, ParsedFinding) else None


class TriageEntryQuerySet(AppendOnlyQuerySet["TriageEntry"]):
    """Queries of the triage log."""


TriageEntryManager = models.Manager.from_queryset(TriageEntryQuerySet)


class TriageEntry(AppendOnlyModel):
    """One entry of the append-only triage log: what a person or program did to one finding."""

    class Source(models.TextChoices):
        """Where it was done."""

        PAGE = "page", "Page"
        API = "api", "API"

    finding = models.ForeignKey(Finding, on_delete=models.PROTECT, related_name="triage_entries")
    at = models.DateTimeField()
    # Null for a program, which `client_id` identifies.
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    by_name = models.CharField(max_length=200)
    client_id = models.CharField(max_length=200, blank=True)
    source = models.CharField(max_length=8, choices=Source)
    status_before = models.CharField(max_length=16, choices=Status)
    status_after = models.CharField(max_length=16, choices=Status)
    # User names, which stay when the user is renamed or deleted; "" if nobody was assigned.
    assignee_before = models.CharField(max_length=150, blank=True)
    assignee_after = models.CharField(max_length=150, blank=True)
    note = models.TextField(blank=True)

    objects = TriageEntryManager()

    class Meta:
        verbose_name_plural = "triage entries"
        base_manager_name = "objects"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.by_name} on {self.finding_id}"


class Entity(models.Model):
    """An entity that findings name, such as an address, an instance or an access key."""

    kind = models.CharField(max_length=16)
    name = models.CharField(max_length=512)
    # Sums, which findings.sums keeps: the findings that name it, those of them in which it acted,
    # and their finding types.
    findings = models.PositiveIntegerField(default=0, db_default=0)
    acted = models.PositiveIntegerField(default=0, db_default=0)
    types = models.PositiveIntegerField(default=0, db_default=0)

    class Meta:
        verbose_name_plural = "entities"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["kind", "name"], name="each_entity_once"),
        ]
        indexes = [
            # With this operator class, PostgreSQL also finds the beginning of a name.
            models.Index(fields=["name"], name="entity_by_name", opclasses=["varchar_pattern_ops"]),
            models.Index(fields=["-types", "-findings", "name", "id"], name="entity_most_types"),
            models.Index(
                fields=["kind", "-types", "-findings", "name", "id"],
                name="entity_most_types_of_kind",
            ),
            models.Index(fields=["-findings", "name", "id"], name="entity_most_findings"),
        ]

    def __str__(self) -> str:
        return self.name


class Mention(models.Model):
    """Links a finding to an entity that it names, as an actor or as an affected resource."""

    finding = models.ForeignKey(Finding, on_delete=models.CASCADE, db_index=False)  # the constraint
    entity = models.ForeignKey(Entity, on_delete=models.PROTECT, db_index=False)
    is_actor = models.BooleanField()
    # That of the finding. Null if a version that did not store it inserted the row; see
    # findings.sums.
    seen_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["finding", "entity", "is_actor"], name="each_mention_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["entity", "-seen_at", "-finding"], name="mention_newest_of_entity"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.entity} in {self.finding}"


class KnownTitle(models.Model):
    """The words of a title that findings of a type have, without what differs between findings.

    The search looks here instead of reading the titles of all findings. See findings.titles.
    """

    finding_type = models.CharField(max_length=200)
    words = models.CharField(max_length=300, blank=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["finding_type", "words"], name="each_title_once"),
        ]

    def __str__(self) -> str:
        return f"{self.finding_type}: {self.words}"


class PeriodSum(models.Model):
    """How many findings were last seen in one hour or day (UTC), for the dashboard.

    `findings.sums` writes this table and the next two, which can contain rows with 0.
    """

    is_day = models.BooleanField()
    begin = models.DateTimeField()
    finding_type = models.CharField(max_length=200)
    severity = models.CharField(max_length=8, blank=True)
    action = models.CharField(max_length=16)
    findings = models.IntegerField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["is_day", "begin", "finding_type", "severity", "action"],
                name="each_period_sum_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.findings} from {self.begin}"


class AccountSum(models.Model):
    """How many findings an AWS account has."""

    account_id = models.CharField(max_length=64, unique=True)
    findings = models.IntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.findings} in {self.account_id}"


class EntitySum(models.Model):
    """How many findings of one type that name an entity were last seen on one day (UTC)."""

    entity = models.ForeignKey(
        Entity, on_delete=models.CASCADE, db_index=False, related_name="sums"
    )
    day = models.DateField()
    finding_type = models.CharField(max_length=200)
    findings = models.IntegerField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["entity", "day", "finding_type"], name="each_entity_sum_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.findings} of {self.entity_id} on {self.day}"


class AccountName(models.Model):
    """The display name of an AWS account."""

    account_id = models.CharField("AWS account", max_length=64, unique=True)
    name = models.CharField(max_length=100)

    class Meta:
        default_permissions = ("change",)  # adding and removing a name count as changes

    def __str__(self) -> str:
        return self.name
