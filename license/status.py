"""The license status: whether writes are allowed, and what the portal shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from license import validation
from license.claims import LicenseClaims
from license.reasons import LicenseError, LicenseExpired, LicenseMissing, LicenseNotYetValid
from license.validation import Validation
from license.verified import Verified
from storage.instants import human, iso

EXPIRING_SOON = timedelta(days=14)


class Kind(models.TextChoices):
    """The five license statuses. The first two allow writes."""

    VALID = "valid", "Valid"
    EXPIRING_SOON = "expiring_soon", "Expiring Soon"
    EXPIRED = "expired", "Expired"
    MISSING = "missing", "Missing"
    REJECTED = "rejected", "Rejected"


@dataclass(frozen=True, slots=True)
class LicenseStatus:
    """The license status of this deployment at `now`.

    `clock` is the time of the clock if that was set back; `now` is then the latest time that was
    seen before (license.clock).

    `claims` are those of the license in force. Without one, `claims` are those of the newest key if
    its signature is trusted, and `error` is its validation error; but while a renewal is queued, of
    the newest expired key, if there is one. `queued` is the next renewal.
    `writes_until` is when writes stop if no other key is installed; None while they are disabled.
    """

    kind: Kind
    now: datetime
    account_id: str
    claims: LicenseClaims | None = None
    error: LicenseError | None = None
    queued: LicenseClaims | None = None
    writes_until: datetime | None = None
    clock: datetime | None = None

    @property
    def allows_writes(self) -> bool:
        """Whether a license is in force."""
        return self.kind in {Kind.VALID, Kind.EXPIRING_SOON}

    @property
    def code(self) -> str:
        """The problem code of the reason why writes are disabled; "" if they are enabled."""
        return self.error.code if self.error else ""

    @property
    def reason(self) -> str:
        """Why writes are disabled, as a sentence; "" if they are enabled."""
        return str(self.error) if self.error else ""

    @property
    def clock_note(self) -> str:
        """That the clock was set back, and what follows; "" if it was not."""
        if self.clock is None:
            return ""
        return (
            f"The clock of this server shows {iso(self.clock)}, but {iso(self.now)} has been seen"
            " before, so the license is judged at that time. Correct the clock."
        )

    @property
    def remedy(self) -> str:
        """The next step, as one or two sentences; "" if nothing needs to be done."""
        if self.renewal_follows and self.queued:
            return f"Your renewal starts on {human(self.queued.not_before)}, automatically."
        if self.error:
            return self.error.remedy
        if self.needs_notice and self.writes_until:
            expires = f"The license expires on {human(self.writes_until)}."
            return f"{expires} Renew it now; the new key takes effect automatically."
        return ""

    @property
    def color(self) -> str:
        """The color of the status on pages: "green", "yellow" or "red"."""
        return {Kind.VALID: "green", Kind.EXPIRING_SOON: "yellow"}.get(self.kind, "red")

    @property
    def days_left(self) -> int:
        """The whole days until `claims` expire, rounded down; 0 without claims."""
        return self.claims.days_left(self.now) if self.claims else 0

    @property
    def percent_used(self) -> int:
        """The elapsed part of the term in percent, from 0 to 100; 0 without claims."""
        if self.claims is None:
            return 0
        term = self.claims.expires_at - self.claims.not_before
        return min(max(int((self.now - self.claims.not_before) / term * 100), 0), 100)

    @property
    def needs_notice(self) -> bool:
        """Whether pages ask users to renew the license."""
        return self.kind is Kind.EXPIRING_SOON

    @property
    def renewal_follows(self) -> bool:
        """Whether the license has expired, and a queued renewal enables writes later."""
        return self.kind is Kind.EXPIRED and self.queued is not None

    @property
    def renewal_takes_over(self) -> bool:
        """Whether the queued renewal follows the license in force without a gap."""
        return bool(
            self.claims and self.queued and self.queued.not_before <= self.claims.expires_at
        )

    def as_json(self, *, with_details: bool) -> dict[str, Any]:
        """Return the status as in GET /license/status and `manage.py license --json`.

        Without details, it contains only the members that every caller may read.
        """
        short = {
            "status": self.kind.value,
            "allows_writes": self.allows_writes,
            "code": self.code or None,
            "license_url": f"{settings.PORTAL_URL}/license",
        }
        if not with_details:
            return short
        claims = self.claims
        return short | {
            "reason": self.reason or None,
            "account_id": self.account_id,
            "plan": claims.plan.value if claims else None,
            "customer": claims.customer or None if claims else None,
            "license_id": claims.jti if claims else None,
            "key_id": claims.kid if claims else None,
            "issued_at": claims.issued_at if claims else None,
            "not_before": claims.not_before if claims else None,
            "expires_at": claims.expires_at if claims else None,
            "days_left": self.days_left if claims else None,
            "renewal_queued_from": self.queued.not_before if self.queued else None,
            "judged_at": self.now if self.clock else None,
            "clock_note": self.clock_note or None,
        }


def current(at: datetime | None = None, *, verified: Verified | None = None) -> LicenseStatus:
    """Return the status if the clock shows `at`, by default the current time.

    Runs one query and verifies the signatures of all installed keys, except those that the same
    write has `verified`. Raises django.db.Error.
    """
    now = at or timezone.now()
    return of(*validation.installed(now, verified or Verified()), clock=now)


def of(validations: Sequence[Validation], at: datetime, *, clock: datetime) -> LicenseStatus:
    """Return the status at `at`, given the validations of all installed keys, newest first.

    `clock` is what the clock shows.
    """
    found = _of(validations, at)
    return found if clock == at else replace(found, clock=clock)


def _of(validations: Sequence[Validation], at: datetime) -> LicenseStatus:
    if not validations:
        return LicenseStatus(Kind.MISSING, at, settings.AWS_ACCOUNT_ID, error=LicenseMissing())
    in_force = next((claims for claims, error in validations if claims and not error), None)
    renewals = sorted(
        (
            error.claims
            for _, error in validations
            if isinstance(error, LicenseNotYetValid) and error.claims
            if error.claims.not_before > at
            if in_force is None or error.claims.expires_at > in_force.expires_at
        ),
        key=lambda claims: claims.not_before,
    )
    queued = renewals[0] if renewals else None
    if in_force:
        until = _without_a_gap(in_force, renewals)
        kind = Kind.EXPIRING_SOON if until - at <= EXPIRING_SOON else Kind.VALID
        return LicenseStatus(
            kind, at, settings.AWS_ACCOUNT_ID, in_force, queued=queued, writes_until=until
        )
    shown = validations[0]
    if isinstance(shown.error, LicenseNotYetValid):
        expired = (one for one in validations if isinstance(one.error, LicenseExpired))
        shown = next(expired, shown)
    claims, error = shown
    kind = Kind.EXPIRED if isinstance(error, LicenseExpired) else Kind.REJECTED
    return LicenseStatus(kind, at, settings.AWS_ACCOUNT_ID, claims, error, queued)


def _without_a_gap(in_force: LicenseClaims, renewals: Sequence[LicenseClaims]) -> datetime:
    """Return the expiry of the license in force or of its last renewal without a gap."""
    until = in_force.expires_at
    for renewal in renewals:
        if renewal.not_before <= until:
            until = max(until, renewal.expires_at)
    return until
