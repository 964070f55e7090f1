"""Sums of the findings. `findings.sums` writes them."""

from __future__ import annotations

from django.db import models

from findings.models.entities import Entity


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
