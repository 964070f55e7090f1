"""Installs license keys: validates a key, compares it with the license in force, and stores it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from license import status, validation
from license.models import License
from license.status import LicenseStatus
from license.token import LicenseClaims, LicenseError, LicenseNotYetValid, Plan
from storage.instants import iso
from storage.locks import advisory_lock

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class ConfirmationNeeded(Exception):
    """The key is valid, but worse than the license in force; the text says why. Installing it needs
    `confirmed=True`."""


@dataclass(frozen=True, slots=True)
class InstallPreview:
    """What installing a key would do. With an `error` it would be refused."""

    present: LicenseStatus
    claims: LicenseClaims | None = None
    error: LicenseError | None = None
    installed: License | None = None  # the newest row that holds this license, if one does
    is_current: bool = False  # that row is the newest of all, or in force: nothing would change
    queued: bool = False  # the key becomes valid in the future, and takes over then
    confirmation: str = ""  # why the installation must be confirmed; "" if it need not be


@dataclass(frozen=True, slots=True)
class Installation:
    """The row of the history that holds the license, what its key says, and whether this call added
    the row."""

    installed: License
    claims: LicenseClaims
    created: bool


@sensitive_variables("key")
def preview(key: str, at: datetime) -> InstallPreview:
    """What installing this key would do at this instant. Stores nothing but a revocation list that
    was not seen before."""
    history = validation.history(at)
    validations = [entry.validation for entry in history]
    present = status.of(validations, at)
    claims, error = validation.validate_candidate(key, beside=validations, at=at)
    # A key that was issued in the future but begins in the past is not queued: the clock is wrong.
    queued = isinstance(error, LicenseNotYetValid) and bool(claims and claims.not_before > at)
    if claims is None or (error and not queued):
        return InstallPreview(present, claims=claims, error=error)
    # By what the stored keys say: the column beside them may have been edited.
    said = [stored.jti if stored else None for stored, _ in validations]
    installed = history[said.index(claims.jti)].row if claims.jti in said else None
    in_force = present.claims.jti if present.allows_writes and present.claims else None
    is_current = installed is not None and claims.jti in {said[0], in_force}
    return InstallPreview(
        present,
        claims=claims,
        installed=installed,
        is_current=is_current,
        queued=queued,
        confirmation="" if is_current else _worse_than(present, claims),
    )


@sensitive_variables()
def install(
    key: str,
    *,
    by: User | None,
    source: License.Source,
    at: datetime,
    confirmed: bool = False,
    only_new: bool = False,
) -> Installation:
    """Validates a key and adds it to the history, which puts it in force. The License page, the
    admin, `setlicense` and LICENSE_KEY all call this.

    A key that was installed before is added again, unless it is the newest or in force; with
    `only_new` it is never added again. Raises LicenseError for a key that is not valid, and
    ConfirmationNeeded for one that is worse than the license in force, unless `confirmed`. When it
    raises, and when it adds no row, the license in force stays in force.
    """
    with transaction.atomic():
        advisory_lock("license.install")  # the same key may come twice at once
        found = preview(key, at)
        installed, claims = found.installed, found.claims
        created = claims is not None and not (found.is_current or (installed and only_new))
        refusal: Exception | None = found.error
        if created and found.confirmation and not confirmed:
            refusal = ConfirmationNeeded(found.confirmation)
        if created and not refusal and claims:
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
    return Installation(installed, claims, created=created)


def _worse_than(present: LicenseStatus, claims: LicenseClaims) -> str:
    if not present.allows_writes or present.claims is None:
        return ""
    reasons = []
    if claims.expires_at < present.claims.expires_at:
        sooner, later = claims.expires_at, present.claims.expires_at
        reasons.append(
            f"It ends sooner than the license in force: {iso(sooner)}, not {iso(later)}."
        )
    if (present.claims.plan, claims.plan) == (Plan.PAID, Plan.TRIAL):
        reasons.append("It goes from Paid to Trial.")
    return " ".join(reasons)
