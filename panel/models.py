"""Customers, their orders, invoices and licenses, the journal, and mail."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Exists, OuterRef, Q

from license.claims import LicenseClaims, Plan
from panel import selling, term
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

    @property
    def why_suspended(self) -> str:
        """The reason of the latest suspension, which the customer reads. Empty without one."""
        latest = self.act_set.filter(kind=Act.Kind.SUSPENDED).order_by("-pk").first()
        return latest.why if latest and self.is_suspended else ""


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
        CANCELLED = "cancelled"

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
    cancelled_at = models.DateTimeField(null=True)
    # The id of the order's latest Stripe Checkout session.
    stripe_session = models.CharField(max_length=255, null=True, unique=True)  # noqa: DJ001  (NULLs differ)

    # What was agreed when the order was placed: selling.Billing and selling.Quote. `currency` is
    # empty in orders from before prices.
    company = models.CharField(max_length=200, blank=True, default="", db_default="")
    street = models.CharField(max_length=200, blank=True, default="", db_default="")
    postal_code = models.CharField(max_length=20, blank=True, default="", db_default="")
    city = models.CharField(max_length=100, blank=True, default="", db_default="")
    country = models.CharField(max_length=2, blank=True, default="", db_default="")
    vat_id = models.CharField("VAT ID", max_length=30, blank=True, default="", db_default="")
    purchase_order = models.CharField(max_length=50, blank=True, default="", db_default="")
    currency = models.CharField(max_length=3, blank=True, default="", db_default="")
    net = models.PositiveBigIntegerField(default=0, db_default=0)
    tax = models.PositiveBigIntegerField(default=0, db_default=0)
    tax_label = models.CharField(max_length=60, blank=True, default="", db_default="")
    tax_note = models.CharField(max_length=200, blank=True, default="", db_default="")

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
            models.CheckConstraint(
                condition=Q(paid_at=None) | Q(cancelled_at=None), name="order_paid_or_cancelled"
            ),
            # A repeated request returns the existing unpaid order.
            models.UniqueConstraint(
                fields=["customer", "aws_account_id", "months"],
                condition=Q(paid_at=None, cancelled_at=None),
                name="one_open_order_of_a_kind",
            ),
        ]

    def __str__(self) -> str:
        return f"Order {self.pk}"

    @property
    def status(self) -> Status:
        """Whether the order is unpaid, paid without a license, done, or cancelled."""
        if self.cancelled_at:
            return self.Status.CANCELLED
        if self.paid_at is None:
            return self.Status.OPEN
        return self.Status.DONE if hasattr(self, "license") else self.Status.ON_HOLD

    @property
    def item(self) -> str:
        """What is sold, as on the invoice."""
        return (
            f"Threat Reaction, Paid license, {self.get_months_display()},"
            f" for AWS account {self.aws_account_id}"
        )

    @property
    def total(self) -> int:
        """The price with tax, in minor units."""
        return self.net + self.tax

    @property
    def total_shown(self) -> str:
        """The price with tax, for people; empty in orders from before prices."""
        return selling.money(self.total, self.currency) if self.currency else ""

    @property
    def invoice(self) -> Invoice | None:
        """The order's invoice: issued with the order, or when it is paid by card."""
        return self.invoice_set.filter(cancels=None).first()


class Counter(models.Model):
    """The last number that was given to an invoice. panel.invoicing locks the row."""

    name = models.CharField(max_length=20, primary_key=True)
    last = models.PositiveIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class Invoice(AppendOnlyModel):
    """An invoice, or a credit note that cancels one. It holds all that its page and PDF show.

    Both are numbered in one sequence, without gaps. Amounts are minor units; a credit note's are
    negative.
    """

    sequence = models.PositiveIntegerField(unique=True)
    order = models.ForeignKey(Order, on_delete=models.PROTECT)
    cancels = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, related_name="credit_note"
    )
    issued_at = models.DateTimeField()
    seller = models.TextField()
    buyer = models.TextField()
    purchase_order = models.CharField(max_length=50, blank=True)
    item = models.CharField(max_length=200)
    currency = models.CharField(max_length=3)
    net = models.BigIntegerField()
    tax = models.BigIntegerField()
    tax_label = models.CharField(max_length=60, blank=True)
    tax_note = models.CharField(max_length=200, blank=True)
    # Where to transfer the money. Empty if the order is paid by card.
    bank_details = models.TextField(blank=True)

    objects = models.Manager.from_queryset(AppendOnlyQuerySet["Invoice"])()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["order"], condition=Q(cancels=None), name="one_invoice_of_an_order"
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """The number as printed. It is also the reference of a transfer."""
        return f"TR-{self.sequence:06}"

    @property
    def total(self) -> int:
        """The price with tax, in minor units."""
        return self.net + self.tax


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


class OutgoingMail(models.Model):
    """An e-mail that was written with what it tells, and is sent after the commit. See
    panel.outbox."""

    to = models.EmailField()
    subject = models.CharField(max_length=200)
    body = models.TextField()
    # Attached as a PDF.
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, null=True)
    # Attached as a calendar file (RFC 5545).
    calendar = models.TextField(blank=True, default="", db_default="")
    written_at = models.DateTimeField()
    # When a process last began to send it.
    claimed_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField("sent", null=True)

    class Meta:
        default_permissions = ("view",)
        verbose_name = "e-mail"

    def __str__(self) -> str:
        return self.subject


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
        CANCELLED = "cancelled", "order cancelled"
        UNPAID = "unpaid", "payment undone"
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
