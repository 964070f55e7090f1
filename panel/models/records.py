"""The journal, and mail."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from panel.models.customers import Customer
from panel.models.licenses import IssuedLicense
from panel.models.orders import Invoice, Order
from storage.append_only import AppendOnlyModel, AppendOnlyQuerySet
from storage.instants import human


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


class OutgoingMail(models.Model):
    """An email that was written with what it tells, and is sent after the commit. See
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
        verbose_name = "email"

    def __str__(self) -> str:
        return self.subject
