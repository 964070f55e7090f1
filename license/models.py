"""What was installed: license keys, and revocation lists."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models

from license.token import Plan
from storage.append_only import AppendOnlyModel, AppendOnlyQuerySet


class LicenseQuerySet(AppendOnlyQuerySet["License"]):
    """Queries of the history of keys."""

    def newest_first(self) -> Self:
        """The rows in the order in which their keys count: the newest that verifies is in force."""
        # By pk too: two keys pasted at one instant still have an order.
        return self.order_by("-installed_at", "-pk")


LicenseManager = models.Manager.from_queryset(LicenseQuerySet)


class License(AppendOnlyModel):
    """A license key that was installed. Only the signed key decides. The columns that were copied
    out of it are for lists and history; "untrusted" in a name says that anybody with the database
    may have changed it."""

    class Source(models.TextChoices):
        PAGE = "page", "License page"
        ADMIN = "admin", "Django admin"
        COMMAND = "command", "manage.py setlicense"
        ENVIRONMENT = "environment", "LICENSE_KEY"

    key = models.TextField()
    # Not unique: if a stored key was damaged, the same license is installed again beside it.
    jti = models.CharField("license id", max_length=200)
    plan_untrusted = models.CharField(
        "plan", max_length=5, choices=[(plan.value, plan.value.title()) for plan in Plan]
    )
    expires_at_untrusted = models.DateTimeField("expires at")
    installed_at = models.DateTimeField()
    # PROTECT: the history names its people; they are deactivated and not deleted.
    installed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    source = models.CharField("installed from", max_length=11, choices=Source)

    objects = LicenseManager()

    class Meta:
        verbose_name = "license"
        base_manager_name = "objects"  # no other way in that would rewrite the history
        # Nobody may change or delete one: there is no permission for it to be given.
        default_permissions = ("add", "view")

    def __str__(self) -> str:
        return self.jti

    @property
    def masked_key(self) -> str:
        """The first and last four characters of the key: enough to compare, too little to use."""
        return f"{self.key[:4]}…{self.key[-4:]}"


class SeenRevocations(AppendOnlyModel):
    """A signed revocation list that was read once. The list with the highest `seq` is in force."""

    seq = models.BigIntegerField(unique=True)
    token = models.TextField()
    seen_at = models.DateTimeField()

    objects = models.Manager.from_queryset(AppendOnlyQuerySet)()

    class Meta:
        verbose_name_plural = "seen revocations"
        base_manager_name = "objects"
        default_permissions = ()

    def __str__(self) -> str:
        return f"Revocation list {self.seq}"
