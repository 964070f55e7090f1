"""The outbox: what rules have to tell, and the repeats that are held."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from notifications.models.rules import Rule, Trigger


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
