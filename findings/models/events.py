"""Findings, and the log of their triage."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from findings.catalogue import Severity
from findings.guardduty.parser import ParsedFinding, parse
from findings.models.policy import Action
from storage.append_only import AppendOnlyModel, AppendOnlyQuerySet


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
