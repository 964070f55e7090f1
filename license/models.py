"""The models of the key history, of stored revocation lists, and of what is counted."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models

from license.claims import Plan
from storage.journal import JournalModel, JournalQuerySet


class LicenseQuerySet(JournalQuerySet["License"]):
    """The query set of the key history."""

    def newest_first(self) -> Self:
        """Return the rows newest first. The newest valid key is in force."""
        # Also by pk, because two keys may be installed at the same time.
        return self.order_by("-installed_at", "-pk")


LicenseManager = models.Manager.from_queryset(LicenseQuerySet)


class License(JournalModel):
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


class SeenRevocations(JournalModel):
    """A stored, signed revocation list. The trusted list with the highest `seq` is in force."""

    seq = models.BigIntegerField(unique=True)
    token = models.TextField()
    seen_at = models.DateTimeField()

    objects = models.Manager.from_queryset(JournalQuerySet)()

    class Meta:
        verbose_name_plural = "seen revocations"
        base_manager_name = "objects"
        default_permissions = ()

    def __str__(self) -> str:
        return f"Revocation list {self.seq}"


class SeenTime(models.Model):
    """The latest time that a source has shown. Only `license.clock` writes it.

    In seconds since 1970, because every write reads it with raw SQL.
    """

    class Source(models.TextChoices):
        """Who has shown the time. Keys and revocation lists contain theirs."""

        SQS = "sqs", "SentTimestamp of a message in SQS"
        AWS = "aws", "Date of an answer of AWS"
        RUNNING = "running", "time that passed since then while a process ran"
        WRITE = "write", "last write"

    source = models.CharField(primary_key=True, max_length=7, choices=Source)
    seconds = models.BigIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.get_source_display()


class RefusedWrites(models.Model):
    """How many writes the license refused on a day (UTC). `license.refused_writes` counts them."""

    day = models.DateField()
    code = models.CharField(max_length=40)  # the problem code
    view_name = models.CharField(max_length=200)  # as in `manage.py checkgate`
    count = models.BigIntegerField()

    class Meta:
        verbose_name_plural = "refused writes"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["day", "code", "view_name"], name="one_sum_of_refused_writes"
            )
        ]

    def __str__(self) -> str:
        return f"{self.count} on {self.day}: {self.code}, {self.view_name}"
