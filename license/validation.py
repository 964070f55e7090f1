"""Validates installed and pasted keys: signature, account, dates and revocation.

The dates are judged at `license.clock.judged_at`, which is later than a clock that was set back.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db import connection, models
from django.views.decorators.debug import sensitive_variables

from license import clock, revocations, token
from license.claims import LicenseClaims
from license.keyring import Keyring, KeyringError, load_public_keys
from license.models import License, SeenRevocations, SeenTime
from license.reasons import LicenseBadSignature, LicenseError
from license.token import RevocationList
from license.verified import Verified


class Validation(NamedTuple):
    """The result of validating a key.

    `claims` is None if the signature is not trusted. `error` is None if the key is valid.
    """

    claims: LicenseClaims | None
    error: LicenseError | None


class Installed(NamedTuple):
    """The validations of all installed keys, newest first, and the time at which they hold."""

    validations: list[Validation]
    at: datetime


class InstalledKey(NamedTuple):
    """A row of the key history and the validation of its key."""

    row: License
    validation: Validation


def load_keyring() -> Keyring:
    """Read and return the trusted public keys. Raises KeyringError."""
    try:
        pem = settings.LICENSE_PUBLIC_KEY_PATH.read_bytes()
    except OSError as error:
        msg = f"The file cannot be read ({error.strerror})."
        raise KeyringError(msg) from None
    return load_public_keys(pem)


# Raw SQL because every write runs it, and the ORM would take longer than the signature checks. The
# revocation list, of up to 1 MiB, comes with the first row only.
_KEYS_AND_REMEMBERED = """
    SELECT key, CASE WHEN row_number() OVER (ORDER BY installed_at DESC, id DESC) = 1
        THEN (SELECT token FROM license_seenrevocations ORDER BY seq DESC LIMIT 1) END,
        (SELECT max(seconds) FROM license_seentime)
    FROM license_license ORDER BY installed_at DESC, id DESC
"""


@sensitive_variables()
def installed(now: datetime, verified: Verified) -> Installed:
    """Return the validation of each installed key, newest first, with one query."""
    with connection.cursor() as cursor:
        cursor.execute(_KEYS_AND_REMEMBERED)
        rows = cursor.fetchall()
    if not rows:
        return Installed([], now)
    _, remembered, seconds = rows[0]
    keys = [key for key, *_ in rows]
    return _of_keys(keys, remembered=remembered, seconds=seconds, now=now, verified=verified)


@sensitive_variables()
def history(now: datetime) -> tuple[list[InstalledKey], datetime]:
    """Return the rows of the key history with their validations, newest first.

    Also returns the time at which these hold.
    """
    rows = list(License.objects.newest_first().select_related("installed_by"))
    seconds = SeenTime.objects.aggregate(latest=models.Max("seconds"))["latest"]
    keys = [row.key for row in rows]
    found = _of_keys(keys, remembered=_remembered(), seconds=seconds, now=now, verified=Verified())
    return [InstalledKey(*pair) for pair in zip(rows, found.validations, strict=True)], found.at


@sensitive_variables("key")
def validate_candidate(
    key: str, *, beside: Sequence[Validation], at: datetime, now: datetime
) -> Validation:
    """Return the validation of a pasted key at `at`.

    `beside` holds the validations of the installed keys, which may revoke the pasted key.
    """
    keyring, verified = _keyring_or_error(), Verified()
    read = _read(key, keyring, verified)
    if isinstance(keyring, LicenseError):
        return read
    listed = revocations.in_force(keyring, remembered=_remembered(), at=now, verified=verified)
    return _validate(read, _revoked(beside, listed, at=at), at)


def _keyring_or_error() -> Keyring | LicenseError:
    try:
        return load_keyring()
    except KeyringError as error:
        reason = f"the public key file of this deployment is not usable. {error}"
        return LicenseBadSignature(reason.rstrip("."))


def _remembered() -> str | None:
    return SeenRevocations.objects.order_by("-seq").values_list("token", flat=True).first()


@sensitive_variables()
def _of_keys(
    keys: Sequence[str],
    *,
    remembered: str | None,
    seconds: int | None,
    now: datetime,
    verified: Verified,
) -> Installed:
    """Return the validations of these keys. `seconds` is the latest of the stored times."""
    keyring = _keyring_or_error()
    read = [_read(key, keyring, verified) for key in keys]
    floor = clock.instant(seconds or 0)
    if isinstance(keyring, LicenseError):
        return Installed(read, clock.judged_at(now, floor))
    listed = revocations.in_force(keyring, remembered=remembered, at=now, verified=verified)
    signed = [claims.issued_at for claims, _ in read if claims]
    if listed:
        signed.append(listed.issued_at)
    for issued_at in signed:
        clock.memory.vouch(issued_at)
    floor = max([floor, *signed])
    at = clock.judged_at(now, floor)
    revoked = _revoked(read, listed, at=at)
    return Installed([_validate(validation, revoked, at) for validation in read], at)


@sensitive_variables("key")
def _read(key: str, keyring: Keyring | LicenseError, verified: Verified) -> Validation:
    if isinstance(keyring, LicenseError):
        return Validation(None, keyring)
    try:
        return Validation(verified.license(key, keyring), None)
    except LicenseError as error:
        return Validation(None, error)


def _revoked(
    read: Sequence[Validation], listed: RevocationList | None, *, at: datetime
) -> frozenset[str]:
    """Return the `jti`s that the revocation list or an installed key revokes.

    A key revokes other keys from its `nbf` on, even after it has expired.
    """
    by_keys = (
        jti for claims, _ in read if claims and claims.not_before <= at for jti in claims.revokes
    )
    return (listed.revoked if listed else frozenset()).union(by_keys)


def _validate(validation: Validation, revoked: Collection[str], at: datetime) -> Validation:
    if validation.claims is None:
        return validation
    try:
        token.validate(
            validation.claims, account_id=settings.AWS_ACCOUNT_ID, now=at, revoked=revoked
        )
    except LicenseError as error:
        return validation._replace(error=error)
    return validation
