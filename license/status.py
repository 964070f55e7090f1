"""What every other part asks: may I write, and what do I show?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, models
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from license import revocations, token
from license.keyring import Keyring, KeyringError, load_public_keys
from license.models import License, SeenRevocations
from license.token import (
    LicenseBadSignature,
    LicenseClaims,
    LicenseError,
    LicenseExpired,
    LicenseMissing,
    LicenseNotYetValid,
    LicenseRevoked,
    LicenseWrongAccount,
    Plan,
)

EXPIRING_SOON = timedelta(days=14)

_REMEDIES = {
    LicenseMissing.code: "Request a license, then paste its key on the License page.",
    LicenseExpired.code: "Renew the license, then paste the new key on the License page.",
    LicenseRevoked.code: "Paste the replacement key on the License page, or ask for one.",
    LicenseWrongAccount.code: "Install a license for this AWS account, or correct AWS_ACCOUNT_ID.",
    LicenseNotYetValid.code: "Wait until it begins, or install a license that is valid today.",
    LicenseBadSignature.code: "Install a key that the vendor signed, or restore the public key.",
}


class Kind(models.TextChoices):
    VALID = "valid", "Valid"
    EXPIRING_SOON = "expiring_soon", "Expiring Soon"
    EXPIRED = "expired", "Expired"
    MISSING = "missing", "Missing"
    REJECTED = "rejected", "Rejected"


@dataclass(frozen=True, slots=True)
class LicenseStatus:
    """Whether this deployment may write, at one instant.

    `claims` are those of the license in force; without one, those of the newest key as far as they
    can be trusted, and `error` says what is wrong with it. `queued` is a renewal that takes over by
    itself.
    """

    kind: Kind
    now: datetime
    account_id: str
    claims: LicenseClaims | None = None
    error: LicenseError | None = None
    queued: LicenseClaims | None = None

    @property
    def allows_writes(self) -> bool:
        return self.kind in {Kind.VALID, Kind.EXPIRING_SOON}

    @property
    def code(self) -> str:
        """The stable name of the reason why writes are off; "" while they are on."""
        return self.error.code if self.error else ""

    @property
    def reason(self) -> str:
        return str(self.error) if self.error else ""

    @property
    def remedy(self) -> str:
        """The one next step, as a sentence; "" where there is nothing to do."""
        if self.error:
            return _REMEDIES.get(self.code, "Paste the key again, whole, on the License page.")
        if self.claims and self.needs_notice:
            ends = f"The license ends on {self.claims.expires_at:%Y-%m-%d at %H:%M} UTC."
            return f"{ends} Renew it now: the new key takes over by itself."
        return ""

    @property
    def colour(self) -> str:
        return {Kind.VALID: "green", Kind.EXPIRING_SOON: "yellow"}.get(self.kind, "red")

    @property
    def days_left(self) -> int:
        return self.claims.days_left(self.now) if self.claims else 0

    @property
    def percent_used(self) -> int:
        """How much of the term has passed, 0 to 100."""
        if self.claims is None:
            return 0
        term = self.claims.expires_at - self.claims.not_before
        return min(max(int((self.now - self.claims.not_before) / term * 100), 0), 100)

    @property
    def needs_notice(self) -> bool:
        return self.kind is Kind.EXPIRING_SOON and not self.renewal_takes_over

    @property
    def renewal_takes_over(self) -> bool:
        """A renewal is queued that begins before the license in force ends, without a gap."""
        return bool(
            self.claims and self.queued and self.queued.not_before <= self.claims.expires_at
        )

    def as_json(self, *, with_details: bool) -> dict[str, Any]:
        """For monitors. Without details: what a stranger may know."""
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
        }


@dataclass(frozen=True, slots=True)
class Verdict:
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


class Judgement(NamedTuple):
    """What a key says, where that can be trusted, and what is wrong with it."""

    claims: LicenseClaims | None
    error: LicenseError | None


class Judged(NamedTuple):
    """A row of the history with the judgement of its key."""

    row: License
    claims: LicenseClaims | None
    error: LicenseError | None


def load_keyring() -> Keyring:
    """The trusted public keys, read anew each time. Raises KeyringError."""
    try:
        pem = settings.LICENSE_PUBLIC_KEY_PATH.read_bytes()
    except OSError as error:
        msg = f"The file cannot be read ({error.strerror})."
        raise KeyringError(msg) from None
    return load_public_keys(pem)


@sensitive_variables()
def current(at: datetime | None = None) -> LicenseStatus:
    """The status now, or at an instant. One query, and the signatures verified anew."""
    at = at or timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(_KEYS_AND_REMEMBERED)
        rows = cursor.fetchall()
    if not rows:
        return _status([], at)
    return _status(_judge_all([key for key, _ in rows], remembered=rows[0][1], at=at), at)


# Each write asks this, and the ORM takes longer to compile it than to verify the signatures.
_KEYS_AND_REMEMBERED = """
    SELECT key, (SELECT token FROM license_seenrevocations ORDER BY seq DESC LIMIT 1)
    FROM license_license ORDER BY installed_at DESC, id DESC
"""


@sensitive_variables()
def history(at: datetime) -> list[Judged]:
    """Each installed key, the newest first, with what is right or wrong with it at an instant."""
    rows = list(License.objects.newest_first())
    judged = _judge_all([row.key for row in rows], remembered=_remembered(), at=at)
    return [Judged(row, *judgement) for row, judgement in zip(rows, judged, strict=True)]


@sensitive_variables("key")
def assess(key: str, at: datetime) -> Verdict:
    """Judges a pasted key before it is stored. Changes nothing."""
    judged = history(at)
    judgements = [Judgement(claims, error) for _, claims, error in judged]
    present = _status(judgements, at)
    keyring = _keyring_or_error()
    claims, error = _read(key, keyring)
    if claims is None or isinstance(keyring, LicenseError):
        return Verdict(present, error=error)
    revoked = _revoked(judgements, keyring, remembered=_remembered(), at=at)
    try:
        token.judge(claims, account_id=settings.AWS_ACCOUNT_ID, now=at, revoked=revoked)
        queued = False
    except LicenseNotYetValid:
        queued = True
    except LicenseError as refused:
        return Verdict(present, claims=claims, error=refused)
    # By what the stored keys say: the column beside them may have been edited.
    installed = next((row for row, said, _ in judged if said and said.jti == claims.jti), None)
    return Verdict(
        present,
        claims=claims,
        installed=installed,
        queued=queued,
        confirmation="" if installed else _worse_than(present, claims),
    )


def _keyring_or_error() -> Keyring | LicenseError:
    try:
        return load_keyring()
    except KeyringError as error:
        reason = f"the public key of this deployment is unusable. {error}"
        return LicenseBadSignature(reason.rstrip("."))


def _remembered() -> str | None:
    return SeenRevocations.objects.order_by("-seq").values_list("token", flat=True).first()


@sensitive_variables()
def _judge_all(keys: Sequence[str], *, remembered: str | None, at: datetime) -> list[Judgement]:
    keyring = _keyring_or_error()
    read = [_read(key, keyring) for key in keys]
    if isinstance(keyring, LicenseError):
        return read
    revoked = _revoked(read, keyring, remembered=remembered, at=at)
    return [_judge(judgement, revoked, at) for judgement in read]


@sensitive_variables("key")
def _read(key: str, keyring: Keyring | LicenseError) -> Judgement:
    if isinstance(keyring, LicenseError):
        return Judgement(None, keyring)
    try:
        return Judgement(token.read(key, keyring), None)
    except LicenseError as error:
        return Judgement(None, error)


def _revoked(
    read: Sequence[Judgement], keyring: Keyring, *, remembered: str | None, at: datetime
) -> frozenset[str]:
    """What the published list revokes, and what installed keys do from their `nbf` on, for ever."""
    by_keys = (
        jti for claims, _ in read if claims and claims.not_before <= at for jti in claims.revokes
    )
    return revocations.revoked(keyring, remembered=remembered, at=at).union(by_keys)


def _judge(judgement: Judgement, revoked: Collection[str], at: datetime) -> Judgement:
    if judgement.claims is None:
        return judgement
    try:
        token.judge(judgement.claims, account_id=settings.AWS_ACCOUNT_ID, now=at, revoked=revoked)
    except LicenseError as error:
        return judgement._replace(error=error)
    return judgement


def _status(judgements: Sequence[Judgement], at: datetime) -> LicenseStatus:
    """What the judgements of all installed keys, the newest first, come to."""
    if not judgements:
        return LicenseStatus(Kind.MISSING, at, settings.AWS_ACCOUNT_ID, error=LicenseMissing())
    in_force = next((claims for claims, error in judgements if claims and not error), None)
    queued = next(
        (
            error.claims
            for _, error in judgements
            if isinstance(error, LicenseNotYetValid) and error.claims
            if in_force is None or error.claims.expires_at > in_force.expires_at
        ),
        None,
    )
    if in_force:
        soon = in_force.expires_at - at <= EXPIRING_SOON
        kind = Kind.EXPIRING_SOON if soon else Kind.VALID
        return LicenseStatus(kind, at, settings.AWS_ACCOUNT_ID, in_force, queued=queued)
    claims, error = judgements[0]
    kind = Kind.EXPIRED if isinstance(error, LicenseExpired) else Kind.REJECTED
    return LicenseStatus(kind, at, settings.AWS_ACCOUNT_ID, claims, error, queued)


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
