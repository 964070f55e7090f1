from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import connection, models, transaction
from django.views.decorators.debug import sensitive_variables

from license.append_only import AppendOnlyModel, AppendOnlyQuerySet
from license.token import LicenseClaims, Plan

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True, slots=True)
class Installation:
    """A row of the history, and whether this very call added it."""

    installed: License
    claims: LicenseClaims
    created: bool


class ConfirmationNeeded(Exception):
    """The key is good, but would leave this deployment worse off. It takes a second yes."""


class LicenseQuerySet(AppendOnlyQuerySet["License"]):
    def newest_first(self) -> Self:
        # By pk too: two keys pasted at one instant still have an order.
        return self.order_by("-installed_at", "-pk")

    @sensitive_variables()
    def install(
        self,
        key: str,
        *,
        by: User | None,
        source: License.Source,
        at: datetime,
        confirmed: bool = False,
    ) -> Installation:
        """Adds a key to the history once it has been judged; every way of installing ends here.

        Raises LicenseError for a key that must not be honoured and ConfirmationNeeded for one that
        takes a second yes. Either way, and for a key that is installed already, nothing changes.
        """
        from license import status  # it reads the rows of this model

        with transaction.atomic():
            _queue_behind_other_installations()  # safe when the same key comes twice at once
            verdict = status.assess(key, at)
            refusal: Exception | None = verdict.error
            if verdict.confirmation and not confirmed:
                refusal = ConfirmationNeeded(verdict.confirmation)
            installed, claims = verdict.installed, verdict.claims
            if not refusal and not installed and claims:
                installed = self.create(
                    key="".join(key.split()),
                    jti=claims.jti,
                    plan_untrusted=claims.plan,
                    expires_at_untrusted=claims.expires_at,
                    installed_at=at,
                    installed_by=by,
                    source=source,
                )
        if refusal:
            raise refusal  # only here: a revocation list that was just read stays remembered
        assert installed and claims  # noqa: S101  (what is not refused has both)
        return Installation(installed, claims, created=verdict.installed is None)


def _queue_behind_other_installations() -> None:
    """Holds back every other installation until this transaction ends; readers go on."""
    # On SQLite the transaction began with the write lock (transaction_mode in settings.py).
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('license.install'))")


LicenseManager = models.Manager.from_queryset(LicenseQuerySet)


class License(AppendOnlyModel):
    """A license key that was installed. Only the signed key decides; the columns copied out of it
    serve lists and history, and their names warn."""

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
        # Nobody may change or delete one: there is no permission for it to be given.
        default_permissions = ("add", "view")

    def __str__(self) -> str:
        return self.jti

    @property
    def masked_key(self) -> str:
        """Enough to compare with a mail by eye, too little to use."""
        return f"{self.key[:4]}…{self.key[-4:]}"


class SeenRevocations(AppendOnlyModel):
    """A signed revocation list that was once read; the highest `seq` stays in force."""

    seq = models.BigIntegerField(unique=True)
    token = models.TextField()
    seen_at = models.DateTimeField()

    objects = models.Manager.from_queryset(AppendOnlyQuerySet)()

    class Meta:
        verbose_name_plural = "seen revocations"
        default_permissions = ()

    def __str__(self) -> str:
        return f"Revocation list {self.seq}"
