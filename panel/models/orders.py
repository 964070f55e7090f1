"""Orders and their invoices."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from panel import selling, term
from panel.models.customers import Customer, account_id_field_validator
from storage.append_only import AppendOnlyModel, AppendOnlyQuerySet


class Order(models.Model):
    """An order for a term for an AWS account. When it is paid, its license is issued."""

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
