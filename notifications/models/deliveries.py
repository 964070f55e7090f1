"""Messages to destinations, and the log of the tries to deliver them."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import Q

from notifications.models.destinations import Destination
from notifications.models.rules import Rule
from storage.append_only import AppendOnlyModel, AppendOnlyQuerySet

# Keys of messages that sum up: no incident is opened for them, since nothing would end it.
DIGEST = "digest:"
HELD_BACK = "held back"
REPEATS = "repeats:"


def new_message_id() -> str:
    """Returns an ID that is not used again, not even after a database was restored."""
    return f"msg_{secrets.token_hex(16)}"


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
