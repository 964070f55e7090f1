"""Rules: who is told of what, when, and how much."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import models
from django.db.models import Q

from findings.catalogue import Severity
from notifications.models.destinations import NAME_MAX_LENGTH, Destination, PresentQuerySet

RANKS = {severity: rank for rank, severity in enumerate(Severity.values)}  # the lowest is 0


class Trigger(models.TextChoices):
    """What a rule tells of."""

    FINDING = "finding", "Finding"
    DONE = "done", "Action done"
    FAILED = "failed", "Action failed"
    WAITING = "waiting", "Action waits for approval"
    PREVENTED = "prevented", "Action prevented"
    LIFTED = "lifted", "Block lifted"
    BREAKER = "breaker", "Circuit breaker tripped"
    LICENSE = "license", "License ends"
    SILENT = "silent", "Worker silent"


OF_ACTIONS = (
    Trigger.DONE,
    Trigger.FAILED,
    Trigger.WAITING,
    Trigger.PREVENTED,
    Trigger.LIFTED,
)
OF_THE_PORTAL = (Trigger.BREAKER, Trigger.LICENSE, Trigger.SILENT)  # filters do not apply


class When(models.TextChoices):
    """When a rule tells it."""

    NOW = "now", "At once"
    HOURLY = "hourly", "Hourly digest"
    DAILY = "daily", "Daily digest"


class Detail(models.TextChoices):
    """How much a rule tells."""

    BRIEF = "brief", "Brief: type, severity, account, count and link"
    FULL = "full", "Full: also title, description, entities and actions"


class RuleQuerySet(PresentQuerySet["Rule"]):
    """Queries of rules."""


RuleManager = models.Manager.from_queryset(RuleQuerySet)


class Rule(models.Model):
    """Tells destinations of what its trigger and its filters select."""

    name = models.CharField(max_length=NAME_MAX_LENGTH)
    enabled = models.BooleanField(default=True)
    trigger = models.CharField(max_length=16, choices=Trigger)
    severity = models.CharField("severity at least", max_length=8, blank=True, choices=Severity)
    # Lists of texts, in which * stands for any text. An empty list lets everything through.
    types = models.JSONField("finding types", default=list, blank=True)
    accounts = models.JSONField("AWS accounts", default=list, blank=True)
    entities = models.JSONField(default=list, blank=True)
    tags = models.JSONField(default=list, blank=True)  # key=value
    destinations = models.ManyToManyField(Destination, related_name="rules")
    when = models.CharField(max_length=8, choices=When, default=When.NOW)
    daily_at = models.TimeField(default=time(8))
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_to = models.TimeField(null=True, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    detail = models.CharField(max_length=8, choices=Detail, default=Detail.FULL)
    # Each new finding has a message of its own: no repeats are held, and none are grouped.
    each = models.BooleanField("one message for each new finding", default=False)
    removed_at = models.DateTimeField(null=True)

    objects = RuleManager()

    class Meta:
        default_permissions = ("view", "change")
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=Q(removed_at=None), name="rule_names_differ"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def tells(self) -> bool:
        """Whether it still tells anything."""
        return self.enabled and self.removed_at is None

    def ready_at(self, at: datetime) -> datetime:
        """Returns when what happens at this time is told, but for quiet hours."""
        if self.when == When.HOURLY:
            return at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        if self.when == When.DAILY:
            return self._next(self.daily_at, at)
        return at

    def quiet_until(self, at: datetime) -> datetime | None:
        """Returns when the quiet hours end; None outside of them."""
        if self.quiet_from is None or self.quiet_to is None or self.quiet_from == self.quiet_to:
            return None
        now = at.astimezone(ZoneInfo(self.time_zone)).time()
        if self.quiet_from < self.quiet_to:
            quiet = self.quiet_from <= now < self.quiet_to
        else:
            quiet = now >= self.quiet_from or now < self.quiet_to
        return self._next(self.quiet_to, at) if quiet else None

    def _next(self, moment: time, at: datetime) -> datetime:
        """Returns when it is this time of day next, after `at`, in the rule's time zone."""
        zone = ZoneInfo(self.time_zone)
        today = at.astimezone(zone).date()
        days = (today + timedelta(days=more) for more in range(3))
        times = (datetime.combine(day, moment, zone).astimezone(UTC) for day in days)
        return next(one for one in times if one > at)
