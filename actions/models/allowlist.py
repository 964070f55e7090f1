from __future__ import annotations

from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from findings.catalogue import FINDING_TYPE_MAX_LENGTH
from findings.guardduty.parser import ENTITY_NAME_MAX_LENGTH


class AllowanceQuerySet(models.QuerySet["Allowance"]):
    """Queries of the allowlist."""

    def in_force(self, at: datetime) -> Self:
        """Returns the entries that have not been removed and have not ended at this time."""
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=at), taken_back_at=None)

    def sparing(self, kind: str, name: str, finding_type: str, *, at: datetime) -> Allowance | None:
        """Returns an entry for this entity and a finding of this type; None if there is none."""
        entries = self.in_force(at).filter(kind=kind, name=name)
        return entries.filter(finding_type__in=[finding_type, ""]).first()


AllowanceManager = models.Manager.from_queryset(AllowanceQuerySet)


class Allowance(models.Model):
    """An allowlist entry: findings of this type never lead to containment of this entity."""

    kind = models.CharField(max_length=16)
    name = models.CharField(max_length=ENTITY_NAME_MAX_LENGTH)
    # "" for every type
    finding_type = models.CharField(max_length=FINDING_TYPE_MAX_LENGTH, blank=True)
    # "" if it was added before reasons were required
    reason = models.TextField(blank=True, db_default="", default="")
    ends_at = models.DateTimeField(null=True)
    added_at = models.DateTimeField()
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    taken_back_at = models.DateTimeField(null=True)
    taken_back_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )

    objects = AllowanceManager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "name", "finding_type"],
                condition=Q(taken_back_at=None),
                name="allowed_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} for {self.finding_type or 'every finding type'}"
