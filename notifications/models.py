"""Who is told of what, and what became of it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Any, Self, TypeVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import models
from django.db.models import Q

from findings.catalogue import Severity
from notifications.destinations import KINDS
from notifications.destinations.contract import HIDDEN
from storage import encryption
from storage.append_only import AppendOnlyModel, AppendOnlyQuerySet
from storage.journal import JournalModel, JournalQuerySet

NAME_MAX_LENGTH = 100
NO_KEY = "ENCRYPTION_KEYS cannot decrypt its secrets. Restore the key, or enter them again."
RANKS = {severity: rank for rank, severity in enumerate(Severity.values)}  # the lowest is 0


# Keys of messages that sum up: no incident is opened for them, since nothing would end it.
DIGEST = "digest:"
HELD_BACK = "held back"
REPEATS = "repeats:"


def new_message_id() -> str:
    """Returns an ID that is not used again, not even after a database was restored."""
    return f"msg_{secrets.token_hex(16)}"


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


_M = TypeVar("_M", bound=models.Model)


class PresentQuerySet(models.QuerySet[_M]):
    """Queries of rows that stay when they are removed, because the log refers to them."""

    def present(self) -> Self:
        """Returns those that were not removed."""
        return self.filter(removed_at=None)


class DestinationQuerySet(PresentQuerySet["Destination"]):
    """Queries of destinations."""


DestinationManager = models.Manager.from_queryset(DestinationQuerySet)


class Destination(models.Model):
    """Where messages go. `delivery.py` writes its state; `configuration.py` writes the rest."""

    name = models.CharField(max_length=NAME_MAX_LENGTH)
    kind = models.CharField(max_length=16)  # a key of destinations.KINDS
    # Text by name of the field of the kind. Secrets are encrypted.
    settings = models.JSONField(default=dict)
    per_hour = models.PositiveIntegerField("messages an hour", default=60)  # 0 for no limit
    follows_setting = models.BooleanField(default=False, db_default=False)  # NOTIFY_TOPIC_ARN
    removed_at = models.DateTimeField(null=True)
    last_success_at = models.DateTimeField(null=True)
    last_error_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)
    failing_since = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)  # in a row
    paused_until = models.DateTimeField(null=True)  # nothing is tried before, so it costs nothing

    objects = DestinationManager()

    class Meta:
        default_permissions = ("change",)
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=Q(removed_at=None), name="destination_names_differ"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def kind_label(self) -> str:
        """The kind, for people."""
        return KINDS[self.kind].label if self.kind in KINDS else self.kind

    def open_settings(self) -> dict[str, str]:
        """Returns the settings, decrypted. Raises encryption.NoKeyError."""
        return {
            name: encryption.opened(value) if name in self._secrets() else value
            for name, value in self.settings.items()
        }

    def seal(self, plain: dict[str, str]) -> None:
        """Sets the settings, and encrypts the secrets."""
        self.settings = {
            name: encryption.encrypt(value) if value and name in self._secrets() else value
            for name, value in plain.items()
        }

    def masked(self) -> dict[str, str]:
        """Returns the settings with masked secrets; all of them if they cannot be read."""
        try:
            return KINDS[self.kind].masked(self.open_settings())
        except KeyError:  # another version knows the kind
            return dict.fromkeys(self.settings, HIDDEN)
        except encryption.NoKeyError:
            hidden = self._secrets()
            return {k: HIDDEN if k in hidden else text for k, text in self.settings.items()}

    def _secrets(self) -> set[str]:
        """Raises KeyError for a kind that this version does not know."""
        return {field.name for field in KINDS[self.kind].fields if field.secret}


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


class Notice(models.Model):
    """That something happened that a rule tells: the outbox.

    `outbox.py` inserts it in the transaction in which it happens; `gathering.py` makes messages of
    it and sets `taken_at`.
    """

    rule = models.ForeignKey(Rule, on_delete=models.PROTECT, related_name="+")
    event = models.CharField(max_length=150)  # what happened; a rule takes it once
    key = models.CharField(max_length=64)  # that of repeats
    trigger = models.CharField(max_length=16, choices=Trigger)
    severity = models.CharField(max_length=8, blank=True)
    what = models.CharField(max_length=200)  # the finding type, or what happened
    account_id = models.CharField(max_length=64, blank=True)
    # No foreign keys: messages do not keep findings from being archived.
    finding_pk = models.BigIntegerField(null=True)
    reaction_pk = models.BigIntegerField(null=True)
    about = models.JSONField(default=dict)  # of the portal: title, text and path
    at = models.DateTimeField()
    ready_at = models.DateTimeField()
    taken_at = models.DateTimeField(null=True)
    told_as = models.CharField(max_length=64, blank=True, default="")  # the key of the message

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["rule", "event"], name="a_rule_takes_an_event_once")
        ]
        indexes = [
            models.Index(
                fields=["ready_at", "id"], name="notice_to_take", condition=Q(taken_at=None)
            ),
            models.Index(fields=["finding_pk"], name="notice_by_finding"),
            models.Index(fields=["taken_at"], name="notice_by_time"),
        ]

    def __str__(self) -> str:
        return self.event


class Hold(models.Model):
    """Until when repeats of a key are held, and how many were."""

    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=64)
    until = models.DateTimeField(db_index=True)
    held = models.PositiveIntegerField(default=0)
    told_as = models.CharField(max_length=64)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["rule", "key"], name="one_hold_for_each_key")
        ]
        indexes = [
            models.Index(fields=["until"], name="hold_to_tell", condition=Q(held__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.held} held"


class State(models.TextChoices):
    """The states of a delivery. Only PENDING and HELD change."""

    PENDING = "pending", "Pending"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Failed"
    HELD = "held", "Held back"  # by the limit of the destination
    SUMMED_UP = "summed up", "Summed up"  # told by the message about what was held back


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    """Queries of deliveries."""

    def due(self, at: datetime) -> Self:
        """Returns those that can be tried at this time."""
        return self.filter(state=State.PENDING, due_at__lte=at)

    def pending(self) -> Self:
        """Returns those that are not settled."""
        return self.filter(state=State.PENDING)

    def settle(self, state: State, *, at: datetime) -> int:
        """Moves pending and held ones to a final state."""
        unsettled = self.filter(state__in=[State.PENDING, State.HELD])
        return unsettled.update(state=state, settled_at=at, due_at=None)


DeliveryManager = models.Manager.from_queryset(DeliveryQuerySet)


class Delivery(models.Model):
    """A message to a destination."""

    destination = models.ForeignKey(
        Destination, on_delete=models.PROTECT, related_name="deliveries", db_index=False
    )
    # Null for a test and for a message about what was held back.
    rule = models.ForeignKey(Rule, on_delete=models.PROTECT, null=True, related_name="deliveries")
    # The same in each try. "" for messages of earlier versions.
    message_id = models.CharField(max_length=40, default=new_message_id, db_default="")
    key = models.CharField(max_length=64)  # what it is about
    window = models.DateTimeField()  # the beginning of the time in which repeats are held
    title = models.TextField()
    text = models.TextField()
    url = models.TextField(blank=True)
    severity = models.CharField(max_length=8, blank=True)
    data = models.JSONField(default=dict)
    resolves = models.BooleanField(default=False)
    is_test = models.BooleanField(default=False)
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)

    objects = DeliveryManager()

    class Meta:
        default_permissions = ()
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "destination", "key", "window", "resolves"],
                name="each_message_once",
            ),
            models.CheckConstraint(
                condition=Q(state="pending", due_at__isnull=False) | ~Q(state="pending"),
                name="a_pending_message_is_due",
            ),
        ]
        indexes = [
            models.Index(
                fields=["destination", "due_at"],
                name="delivery_pending",
                condition=Q(state="pending"),
            ),
            models.Index(
                fields=["destination", "id"], name="delivery_held", condition=Q(state="held")
            ),
            models.Index(fields=["destination", "-created_at"], name="delivery_newest"),
            models.Index(fields=["key"], name="delivery_by_key"),
            models.Index(fields=["created_at"], name="delivery_by_time"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_settled(self) -> bool:
        """Whether nothing more happens to it."""
        return self.settled_at is not None

    @property
    def sums_up(self) -> bool:
        """Whether it sums up what happened, so that nothing ends it."""
        return self.key == HELD_BACK or self.key.startswith((DIGEST, REPEATS))

    @property
    def gives_up_at(self) -> datetime:
        """The time after which there are no more tries."""
        return self.created_at + timedelta(days=1)


class DeliveryAttemptQuerySet(AppendOnlyQuerySet["DeliveryAttempt"]):
    """Queries of the log of tries."""


DeliveryAttemptManager = models.Manager.from_queryset(DeliveryAttemptQuerySet)


class DeliveryAttempt(AppendOnlyModel):
    """One try to deliver a message, and the answer of the destination."""

    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="attempts")
    at = models.DateTimeField()
    delivered = models.BooleanField()
    answer = models.TextField()

    objects = DeliveryAttemptManager()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()

    def __str__(self) -> str:
        return self.answer


class NotificationChangeQuerySet(JournalQuerySet["NotificationChange"]):
    """Queries of the log of changes of rules and destinations."""

    def newest_first(self) -> Self:
        """Returns the changes, newest first."""
        return self.order_by("-changed_at", "-pk")


NotificationChangeManager = models.Manager.from_queryset(NotificationChangeQuerySet)


class NotificationChange(JournalModel):
    """One entry of the append-only log of changes of rules and destinations."""

    class What(models.TextChoices):
        """What changed."""

        RULE = "rule", "Rule"
        DESTINATION = "destination", "Destination"

    changed_at = models.DateTimeField(db_index=True)
    # Null for a program, which `client_id` identifies, and for the setting NOTIFY_TOPIC_ARN.
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    changed_by_name = models.CharField(max_length=200)
    client_id = models.CharField(max_length=200, blank=True)
    what = models.CharField(max_length=16, choices=What)
    name = models.CharField(max_length=NAME_MAX_LENGTH)
    before = models.JSONField(null=True)  # with masked secrets; null if it was added
    after = models.JSONField(null=True)  # null if it was removed

    objects = NotificationChangeManager()

    class Meta:
        verbose_name = "notification change"
        base_manager_name = "objects"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.get_what_display()} {self.name}"

    @property
    def verb(self) -> str:
        """What was done."""
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"

    @property
    def fields(self) -> Iterable[tuple[str, Any, Any]]:
        """The members that changed: name, before, after."""
        before, after = self.before or {}, self.after or {}
        for name in {**before, **after}:
            if before.get(name) != after.get(name):
                yield name.replace("_", " "), before.get(name), after.get(name)
