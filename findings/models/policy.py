"""The threat policy, and the log of its changes."""

from __future__ import annotations

from typing import NamedTuple, Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from findings.catalogue import FINDING_TYPE_MAX_LENGTH, Severity
from storage.journal import JournalModel, JournalQuerySet


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
    # The same actions, which are decided and logged, and never carried out.
    SIMULATE_BLOCK = "SIMULATE_BLOCK", "Simulate block"
    SIMULATE_REVOKE = "SIMULATE_REVOKE", "Simulate revoke"
    SIMULATE_SAVE = "SIMULATE_SAVE", "Simulate save"

    @property
    def asks(self) -> bool:
        """Whether a person must approve it."""
        return self in (Action.ASK_BLOCK, Action.ASK_REVOKE)

    @property
    def simulates(self) -> bool:
        """Whether it is decided and logged only."""
        return self.startswith("SIMULATE_")

    @property
    def in_earnest(self) -> Action:
        """The action without the approval or the simulation."""
        return Action(self.removeprefix("ASK_").removeprefix("SIMULATE_"))


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


class PolicyChangeQuerySet(JournalQuerySet["PolicyChange"]):
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


class PolicyChange(JournalModel):
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
