"""Installs license keys: validates a key, compares it with the license in force, stores it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from license import status, validation
from license.claims import LicenseClaims, Plan
from license.models import License
from license.reasons import LicenseError, LicenseNotYetValid
from license.status import LicenseStatus
from storage.instants import iso
from storage.locks import advisory_lock

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class ConfirmationNeeded(Exception):
    """The key is valid, but expires sooner or has a lesser plan than the license in force.

    The message says which. Pass `confirmed=True` to install the key.
    """


@dataclass(frozen=True, slots=True)
class InstallPreview:
    """The effect of installing a key. If `error` is set, the key would be rejected."""

    present: LicenseStatus
    claims: LicenseClaims | None = None
    error: LicenseError | None = None
    installed: License | None = None  # the newest row with this license, if any
    is_current: bool = False  # `installed` is the newest row or in force: no change
    queued: bool = False  # the key becomes valid in the future
    confirmation: str = ""  # why confirmation is required; "" if it is not


@dataclass(frozen=True, slots=True)
class Installation:
    """The result of `install`: the row, its claims, and whether this call added the row."""

    installed: License
    claims: LicenseClaims
    created: bool


@sensitive_variables("key")
def preview(key: str, at: datetime) -> InstallPreview:
    """Return the effect of installing `key` at `at`.

    Does not store the key. May store a newer revocation list.
    """
    now = at
    history, at = validation.history(now)
    validations = [entry.validation for entry in history]
    present = status.of(validations, at, clock=now)
    claims, error = validation.validate_candidate(key, beside=validations, at=at, now=now)
    # A key with a future iat but a past nbf is not queued: the clock is wrong.
    queued = isinstance(error, LicenseNotYetValid) and bool(claims and claims.not_before > at)
    if claims is None or (error and not queued):
        return InstallPreview(present, claims=claims, error=error)
    # Compare the signed claims: the copied columns may have been edited.
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
    """Validate a key and add it to the history. Every way to install a key calls this function.

    An earlier key is added again, unless it is the newest or in force, or `only_new` is True.
    Raises LicenseError for an invalid key, and ConfirmationNeeded for a lesser one unless
    `confirmed`. If it raises or adds no row, the license in force does not change.
    """
    with transaction.atomic():
        advisory_lock("license.install")  # two requests may install the same key
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
        raise refusal  # after the commit, so that a new revocation list stays stored
    assert installed and claims  # noqa: S101  (an accepted key has both)
    return Installation(installed, claims, created=created)


def _worse_than(present: LicenseStatus, claims: LicenseClaims) -> str:
    if not present.allows_writes or present.claims is None:
        return ""
    reasons = []
    if claims.expires_at < present.claims.expires_at:
        sooner, later = claims.expires_at, present.claims.expires_at
        reasons.append(f"It expires before the license in force: {iso(sooner)}, not {iso(later)}.")
    if (present.claims.plan, claims.plan) == (Plan.PAID, Plan.TRIAL):
        reasons.append("It changes the plan from Paid to Trial.")
    return " ".join(reasons)
