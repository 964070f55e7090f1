"""Issued licenses, revocations and reminders."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import Exists, OuterRef, Q

from license.claims import LicenseClaims, Plan
from panel.models.customers import Customer
from panel.models.orders import Order
from storage.append_only import AppendOnlyModel, AppendOnlyQuerySet

EXPIRING_SOON = timedelta(days=14)  # as in the portal


class IssuedLicenseQuerySet(AppendOnlyQuerySet["IssuedLicense"]):
    """Filters and orders of issued licenses."""

    def unrevoked(self) -> Self:
        """Licenses that were neither revoked nor replaced; they may have expired."""
        return self.filter(revocation=None)

    def without_successor(self) -> Self:
        """Licenses of which no other of the same customer and account takes over."""
        successor = IssuedLicense.objects.unrevoked().filter(
            customer=OuterRef("customer"),
            aws_account_id=OuterRef("aws_account_id"),
            not_before__lte=OuterRef("expires_at"),
            expires_at__gt=OuterRef("expires_at"),
        )
        return self.filter(~Exists(successor))

    def newest_first(self) -> Self:
        """By time of issue, descending."""
        return self.order_by("-issued_at", "-pk")

    def with_fate(self) -> Self:
        """Loads the rows that `IssuedLicense.status` needs in the same query."""
        return self.select_related("revocation", "replacement")


class IssuedLicense(AppendOnlyModel):
    """A signed license key. Append-only: rows cannot be edited or deleted."""

    class Status(models.TextChoices):
        """EXPIRING: ends within 14 days. QUEUED: has not started yet."""

        ACTIVE = "active"
        EXPIRING = "expiring"
        QUEUED = "queued"
        EXPIRED = "expired"
        REVOKED = "revoked"
        REPLACED = "replaced"

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT)
    key = models.TextField()
    jti = models.CharField("license id", max_length=200, unique=True)
    aws_account_id = models.CharField("AWS account", max_length=12, db_index=True)
    plan = models.CharField(
        max_length=5, choices=[(plan.value, plan.value.title()) for plan in Plan]
    )
    issued_at = models.DateTimeField()
    not_before = models.DateTimeField("from")
    expires_at = models.DateTimeField("until")
    order = models.OneToOneField(Order, on_delete=models.PROTECT, null=True, related_name="license")
    replaces = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, related_name="replacement"
    )

    objects = models.Manager.from_queryset(IssuedLicenseQuerySet)()

    class Meta:
        verbose_name = "license"
        base_manager_name = "objects"
        default_permissions = ("view",)
        permissions = [
            ("revoke_issuedlicense", "Can revoke licenses"),
            ("replace_issuedlicense", "Can replace licenses"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["aws_account_id"],
                condition=Q(plan=Plan.TRIAL.value, replaces=None),
                name="one_trial_per_aws_account_ever",
            ),
        ]

    def __str__(self) -> str:
        return self.jti

    @property
    def masked_key(self) -> str:
        """The first and last four characters, to recognize the key without disclosing it."""
        return f"{self.key[:4]}…{self.key[-4:]}"

    @property
    def claims(self) -> LicenseClaims:
        """The claims of the key, from the columns. `kid` is empty."""
        return LicenseClaims(
            kid="",  # not stored
            jti=self.jti,
            aws_account_id=self.aws_account_id,
            plan=Plan(self.plan),
            issued_at=self.issued_at,
            not_before=self.not_before,
            expires_at=self.expires_at,
        )

    @property
    def is_revoked(self) -> bool:
        """Whether the license was revoked or replaced."""
        return hasattr(self, "revocation")

    def status(self, at: datetime) -> Status:
        """Returns the status at the given time."""
        if self.is_revoked:
            return self.Status.REPLACED if hasattr(self, "replacement") else self.Status.REVOKED
        if at < self.not_before:
            return self.Status.QUEUED
        if at >= self.expires_at:
            return self.Status.EXPIRED
        soon = self.expires_at - at <= EXPIRING_SOON
        return self.Status.EXPIRING if soon else self.Status.ACTIVE


class Revocation(AppendOnlyModel):
    """The revocation of a license, which is final. panel.publishing lists all of them."""

    license = models.OneToOneField(IssuedLicense, on_delete=models.PROTECT)
    revoked_at = models.DateTimeField()

    objects = models.Manager.from_queryset(AppendOnlyQuerySet["Revocation"])()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()

    def __str__(self) -> str:
        return self.license.jti


class Reminder(AppendOnlyModel):
    """A reminder that was sent, `days_before` days before the license ends. Each is sent once."""

    license = models.ForeignKey(IssuedLicense, on_delete=models.PROTECT)
    days_before = models.PositiveSmallIntegerField()
    sent_at = models.DateTimeField()

    objects = models.Manager.from_queryset(AppendOnlyQuerySet["Reminder"])()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["license", "days_before"], name="each_reminder_once"),
        ]

    def __str__(self) -> str:
        return f"{self.license}, {self.days_before} days before"
