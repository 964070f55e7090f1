"""How a key becomes a license: it is validated, beside what is in force, and then it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.views.decorators.debug import sensitive_variables

from license import status, validation
from license.models import License
from license.status import LicenseStatus
from license.token import LicenseClaims, LicenseError, LicenseNotYetValid, Plan

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class ConfirmationNeeded(Exception):
    """The key is good, but would leave this deployment worse off. It takes a second yes."""


@dataclass(frozen=True, slots=True)
class InstallPreview:
    """What installing a key would do. With an `error` it would be refused."""

    present: LicenseStatus
    claims: LicenseClaims | None = None
    error: LicenseError | None = None
    installed: License | None = None  # the row that holds this very license, if one does
    queued: bool = False  # it waits for its `nbf`, then takes over by itself
    confirmation: str = ""  # why it takes a second yes; "" where it takes none

    @property
    def already_installed(self) -> bool:
        return self.installed is not None


@dataclass(frozen=True, slots=True)
class Installation:
    """A row of the history, and whether this very call added it."""

    installed: License
    claims: LicenseClaims
    created: bool


@sensitive_variables("key")
def preview(key: str, at: datetime) -> InstallPreview:
    """Validates a pasted key before it is stored. Changes nothing."""
    history = validation.history(at)
    validations = [entry.validation for entry in history]
    present = status.of(validations, at)
    claims, error = validation.validate_candidate(key, beside=validations, at=at)
    # One that was issued in the future, but begins in the past, waits for no date of its own.
    queued = isinstance(error, LicenseNotYetValid) and bool(claims and claims.not_before > at)
    if claims is None or (error and not queued):
        return InstallPreview(present, claims=claims, error=error)
    # By what the stored keys say: the column beside them may have been edited.
    installed = next((row for row, (said, _) in history if said and said.jti == claims.jti), None)
    return InstallPreview(
        present,
        claims=claims,
        installed=installed,
        queued=queued,
        confirmation="" if installed else _worse_than(present, claims),
    )


@sensitive_variables()
def install(
    key: str,
    *,
    by: User | None,
    source: License.Source,
    at: datetime,
    confirmed: bool = False,
) -> Installation:
    """Adds a key to the history once it has been validated; every way of installing ends here.

    Raises LicenseError for a key that must not be honored and ConfirmationNeeded for one that
    takes a second yes. Either way, and for a key that is installed already, nothing changes.
    """
    with transaction.atomic():
        _queue_behind_other_installations()  # safe when the same key comes twice at once
        found = preview(key, at)
        refusal: Exception | None = found.error
        if found.confirmation and not confirmed:
            refusal = ConfirmationNeeded(found.confirmation)
        installed, claims = found.installed, found.claims
        if not refusal and not installed and claims:
            installed = License.objects.create(
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
    return Installation(installed, claims, created=found.installed is None)


def _queue_behind_other_installations() -> None:
    """Holds back every other installation until this transaction ends; readers go on."""
    # On SQLite the transaction began with the write lock (transaction_mode in settings.py).
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('license.install'))")


def _worse_than(present: LicenseStatus, claims: LicenseClaims) -> str:
    if not present.allows_writes or present.claims is None:
        return ""
    reasons = []
    if claims.expires_at < present.claims.expires_at:
        sooner, later = claims.expires_at, present.claims.expires_at
        reasons.append(
            "It ends sooner than the license in force:"
            f" {sooner:%Y-%m-%dT%H:%M:%SZ}, not {later:%Y-%m-%dT%H:%M:%SZ}."
        )
    if (present.claims.plan, claims.plan) == (Plan.PAID, Plan.TRIAL):
        reasons.append("It goes from Paid to Trial.")
    return " ".join(reasons)
