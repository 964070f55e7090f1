"""What each installed key is worth at an instant: by its signature, its dates, its revocation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db import connection
from django.views.decorators.debug import sensitive_variables

from license import revocations, token
from license.keyring import Keyring, KeyringError, load_public_keys
from license.models import License, SeenRevocations
from license.token import LicenseBadSignature, LicenseClaims, LicenseError


class Judgement(NamedTuple):
    """What a key says, where that can be trusted, and what is wrong with it."""

    claims: LicenseClaims | None
    error: LicenseError | None


class Judged(NamedTuple):
    """A row of the history with the judgement of its key."""

    row: License
    judgement: Judgement


def load_keyring() -> Keyring:
    """The trusted public keys, read anew each time. Raises KeyringError."""
    try:
        pem = settings.LICENSE_PUBLIC_KEY_PATH.read_bytes()
    except OSError as error:
        msg = f"The file cannot be read ({error.strerror})."
        raise KeyringError(msg) from None
    return load_public_keys(pem)


# Each write asks this, and the ORM takes longer to compile it than to verify the signatures.
_KEYS_AND_REMEMBERED = """
    SELECT key, (SELECT token FROM license_seenrevocations ORDER BY seq DESC LIMIT 1)
    FROM license_license ORDER BY installed_at DESC, id DESC
"""


@sensitive_variables()
def installed(at: datetime) -> list[Judgement]:
    """The judgement of each installed key, the newest first. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_KEYS_AND_REMEMBERED)
        rows = cursor.fetchall()
    return _of_keys([key for key, _ in rows], remembered=rows[0][1], at=at) if rows else []


@sensitive_variables()
def history(at: datetime) -> list[Judged]:
    """As `installed`, with the rows of the history."""
    rows = list(License.objects.newest_first().select_related("installed_by"))
    judgements = _of_keys([row.key for row in rows], remembered=_remembered(), at=at)
    return [Judged(*pair) for pair in zip(rows, judgements, strict=True)]


@sensitive_variables("key")
def of_candidate(key: str, *, beside: Sequence[Judgement], at: datetime) -> Judgement:
    """The judgement of a key that is not installed, beside those that are."""
    keyring = _keyring_or_error()
    read = _read(key, keyring)
    if isinstance(keyring, LicenseError):
        return read
    return _judge(read, _revoked(beside, keyring, remembered=_remembered(), at=at), at)


def _keyring_or_error() -> Keyring | LicenseError:
    try:
        return load_keyring()
    except KeyringError as error:
        reason = f"the public key of this deployment is unusable. {error}"
        return LicenseBadSignature(reason.rstrip("."))


def _remembered() -> str | None:
    return SeenRevocations.objects.order_by("-seq").values_list("token", flat=True).first()


@sensitive_variables()
def _of_keys(keys: Sequence[str], *, remembered: str | None, at: datetime) -> list[Judgement]:
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
