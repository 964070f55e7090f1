"""Customers, their orders and licenses, and the journal."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Exists, OuterRef, Q

from license.token import LicenseClaims, Plan
from panel import term
from storage.append_only import AppendOnlyModel, AppendOnlyQuerySet
from storage.instants import human

EXPIRING_SOON = timedelta(days=14)  # as in the portal

account_id_field_validator = RegexValidator(r"\A[0-9]{12}\Z", "An AWS account id is 12 digits.")
# Accounts that nobody has: those of examples in AWS's documentation, and twelve times one digit.
EXAMPLE_ACCOUNTS = {
    "012345678901",
    "111122223333",
    "123456789012",
    "444455556666",
    "777788889999",
    *(digit * 12 for digit in "0123456789"),
}


def refuse_example_account(account_id: str) -> None:
    """Raises ValidationError for an account of EXAMPLE_ACCOUNTS."""
    if account_id in EXAMPLE_ACCOUNTS:
        msg = f"{account_id} is an example from AWS's documentation. Enter your own account."
        raise ValidationError(msg)


class Customer(models.Model):
    """A person who has signed up and can get licenses. panel.issuing locks this row."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    name = models.CharField(
        max_length=200, blank=True, help_text="Shown in the licenses that are issued from now on."
    )
    is_suspended = models.BooleanField("suspended", default=False, editable=False)

    class Meta:
        default_permissions = ("view",)
        permissions = [
            ("suspend_customer", "Can suspend and reinstate customers"),
            ("approve_account_customer", "Can approve AWS accounts of customers"),
            ("make_owner_customer", "Can make people owners of customers"),
        ]

    def __str__(self) -> str:
        return self.user.email


class Role(models.TextChoices):
    """The role of a member. panel.teams defines what each may do."""

    OWNER = "owner", "Owner"
    BILLING = "billing", "Billing"
    TECHNICAL = "technical", "Technical"


class Member(models.Model):
    """A user who acts for a customer. Each user acts for one; each customer has an owner.

    `Customer.user` is one of the owners.
    """

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="members")
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="membership"
    )
    role = models.CharField(max_length=9, choices=Role)
    joined_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user.email}, {self.get_role_display()}"


class Invitation(models.Model):
    """An address that may join a customer's team. It is deleted when it is answered."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField("email")
    role = models.CharField(max_length=9, choices=Role)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    sent_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["customer", "email"], name="one_invitation_per_address")
        ]

    def __str__(self) -> str:
        return self.email


class Order(models.Model):
    """An order for a term for an AWS account. When it is paid, panel.issuing issues the license."""

    class Payment(models.TextChoices):
        """How an order was paid."""

        INVOICE = "invoice", "invoice"
        STRIPE = "stripe", "Stripe"

    class Status(models.TextChoices):
        """ON_HOLD: paid, but the customer is suspended."""

        OPEN = "awaiting payment"
        ON_HOLD = "paid, on hold"
        DONE = "done"

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT)
    aws_account_id = models.CharField(
        "AWS account", max_length=12, validators=[account_id_field_validator]
    )
    months = models.PositiveSmallIntegerField(
        "term", choices=[(1, "1 month"), (12, "12 months")], default=12
    )
    placed_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True)
    paid_by = models.CharField("paid by", max_length=7, choices=Payment, blank=True)
    # The id of the order's latest Stripe Checkout session.
    stripe_session = models.CharField(max_length=255, null=True, unique=True)  # noqa: DJ001  (NULLs differ)

    class Meta:
        default_permissions = ("view",)
        permissions = [("mark_paid_order", "Can mark orders paid")]
        constraints = [
            models.CheckConstraint(
                condition=Q(months__in=term.MONTHS), name="order_of_a_known_term"
            ),
            models.CheckConstraint(
                condition=Q(paid_at=None, paid_by="") | (Q(paid_at__isnull=False) & ~Q(paid_by="")),
                name="order_paid_by_something",
            ),
            # A repeated request returns the existing unpaid order.
            models.UniqueConstraint(
                fields=["customer", "aws_account_id", "months"],
                condition=Q(paid_at=None),
                name="one_open_order_of_a_kind",
            ),
        ]

    def __str__(self) -> str:
        return f"Order {self.pk}"

    @property
    def status(self) -> Status:
        """Whether the order is unpaid, paid without a license, or done."""
        if self.paid_at is None:
            return self.Status.OPEN
        return self.Status.DONE if hasattr(self, "license") else self.Status.ON_HOLD


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


class AccountProof(AppendOnlyModel):
    """A customer has proven that an AWS account is theirs, or staff have approved it.

    A Trial requires one. The journal has the time, the person and the reason.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT)
    aws_account_id = models.CharField("AWS account", max_length=12)
    # The challenge that was signed, so that it cannot be used again; null for an approval.
    challenge = models.CharField(max_length=200, null=True, unique=True)  # noqa: DJ001  (NULLs differ)

    objects = models.Manager.from_queryset(AppendOnlyQuerySet["AccountProof"])()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()

    def __str__(self) -> str:
        return self.aws_account_id


class Act(AppendOnlyModel):
    """A journal entry: who did what, when and why."""

    class Kind(models.TextChoices):
        """What was done."""

        ISSUED = "issued", "license issued"
        ORDERED = "ordered", "order placed"
        PAID = "paid", "order paid"
        REPLACED = "replaced", "license replaced"
        REVOKED = "revoked", "license revoked"
        SUSPENDED = "suspended", "customer suspended"
        REINSTATED = "reinstated", "customer reinstated"
        PROVEN = "proven", "AWS account proven"
        APPROVED = "approved", "AWS account approved"
        INVITED = "invited", "person invited"
        WITHDRAWN = "withdrawn", "invitation withdrawn"
        JOINED = "joined", "person joined"
        ROLE = "role", "role changed"
        LEFT = "left", "person left"

    at = models.DateTimeField()
    # Null if no person did it, for example when Stripe reports a payment.
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    kind = models.CharField("what", max_length=10, choices=Kind)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT)
    license = models.ForeignKey(IssuedLicense, on_delete=models.PROTECT, null=True)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, null=True)
    why = models.TextField(blank=True)

    objects = models.Manager.from_queryset(AppendOnlyQuerySet["Act"])()

    class Meta:
        verbose_name = "journal entry"
        verbose_name_plural = "journal entries"
        base_manager_name = "objects"
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {human(self.at)}"


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
