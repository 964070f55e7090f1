"""The models of the key history and of stored revocation lists."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models

from license.claims import Plan
from storage.append_only import AppendOnlyModel, AppendOnlyQuerySet


class LicenseQuerySet(AppendOnlyQuerySet["License"]):
    """The query set of the key history."""

    def newest_first(self) -> Self:
        """Return the rows newest first. The newest valid key is in force."""
        # Also by pk, because two keys may be installed at the same time.
        return self.order_by("-installed_at", "-pk")


LicenseManager = models.Manager.from_queryset(LicenseQuerySet)


class License(AppendOnlyModel):
    """An installed license key.

    Only the signed key determines the license status. The columns named "untrusted" are copies for
    lists and history, which anyone with access to the database may have changed.
    """

    class Source(models.TextChoices):
        """Where the key was installed from."""

        PAGE = "page", "License page"
        ADMIN = "admin", "Django admin"
        COMMAND = "command", "manage.py setlicense"
        ENVIRONMENT = "environment", "LICENSE_KEY"

    key = models.TextField()
    # Not unique: the same license can be installed again, for example if its row is damaged.
    jti = models.CharField("license id", max_length=200)
    plan_untrusted = models.CharField(
        "plan", max_length=5, choices=[(plan.value, plan.value.title()) for plan in Plan]
    )
    expires_at_untrusted = models.DateTimeField("expires at")
    installed_at = models.DateTimeField()
    # PROTECT: the history refers to users, who are deactivated instead of deleted.
    installed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    source = models.CharField("installed from", max_length=11, choices=Source)

    objects = LicenseManager()

    class Meta:
        verbose_name = "license"
        base_manager_name = "objects"  # so that related managers cannot rewrite the history either
        # There are no permissions to change or delete rows.
        default_permissions = ("add", "view")

    def __str__(self) -> str:
        return self.jti

    @property
    def masked_key(self) -> str:
        """The first and last four characters of the key."""
        return f"{self.key[:4]}…{self.key[-4:]}"


class SeenRevocations(AppendOnlyModel):
    """A stored, signed revocation list. The trusted list with the highest `seq` is in force."""

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
