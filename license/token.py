"""Parses, validates and issues license keys and revocation lists.

A license key is a JWS in compact serialization (RFC 7515) whose claims follow RFC 7519. From PyJWT,
this module uses only RSAAlgorithm, to verify and to create the RS256 signature. It does not use
PyJWT's decode(), which accepts several malformed inputs that this module rejects.

This module does not use Django, the clock or the settings. The caller passes the public keys, the
AWS account and the time.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NoReturn, Protocol, cast

from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import HashAlgorithm
from jwt.algorithms import RSAAlgorithm

from license import pasted
from license.claims import LicenseClaims, Plan
from license.keyring import Keyring, thumbprint
from license.reasons import (
    LicenseBadSignature,
    LicenseExpired,
    LicenseMalformed,
    LicenseNotYetValid,
    LicenseRevoked,
    LicenseWrongAccount,
)

ISSUER = "threatreaction.com"
ALGORITHM = "RS256"
LICENSE_TYPE = "license+jwt"
REVOCATIONS_TYPE = "license-revocations+jwt"

MAX_LICENSE_BYTES = 8 * 1024
MAX_REVOCATIONS_BYTES = 1024 * 1024
MAX_TEXT_LENGTH = 200  # characters
MAX_TERM = timedelta(days=5 * 365 + 2)  # five years, two of them leap years
YEARS = range(2020, 2101)
CLOCK_SKEW = timedelta(minutes=5)  # how far the vendor's clock may be ahead of ours

_COMPACT = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}")
_ACCOUNT = re.compile(r"[0-9]{12}")  # not \d, which also matches the digits of other scripts
_rs256 = RSAAlgorithm(RSAAlgorithm.SHA256)


@dataclass(frozen=True, slots=True)
class RevocationList:
    """The `jti`s of the licenses that the vendor has revoked.

    A list with a higher `seq` replaces this one.
    """

    seq: int
    issued_at: datetime
    revoked: frozenset[str]


class SigningKey(Protocol):
    """A private key that can sign: an RSAPrivateKey, or a key that stays in AWS KMS."""

    def public_key(self) -> RSAPublicKey:
        """Return the public key that verifies the signatures."""

    def sign(self, data: bytes, padding: AsymmetricPadding, algorithm: HashAlgorithm) -> bytes:
        """Return the signature of `data`. Callers pass PKCS1v15 and SHA-256 only (RS256)."""


class RevocationsError(ValueError):
    """A revocation list was rejected. The message says why."""


def verify(
    key: str,
    *,
    keyring: Keyring,
    account_id: str,
    now: datetime,
    revoked: Collection[str] = frozenset(),
) -> LicenseClaims:
    """Return the claims of a key that is valid for the account `account_id` at `now`.

    `revoked` holds the revoked `jti`s. Raises LicenseError if the key is not valid.
    """
    claims = read(key, keyring)
    validate(claims, account_id=account_id, now=now, revoked=revoked)
    return claims


def read(key: str, keyring: Keyring) -> LicenseClaims:
    """Return the claims of a key without validating its account, dates or revocation.

    Ignores white space in the key. Raises LicenseMalformed for a key that breaks a rule of the
    format, and LicenseBadSignature for one that no key in `keyring` verifies.
    """
    compact = "".join(key.split())  # email clients wrap and indent; nothing else is tolerated
    try:
        kid, payload = _open(compact, LICENSE_TYPE, keyring, max_bytes=MAX_LICENSE_BYTES)
    except LicenseMalformed:
        if mistake := pasted.mistake(key):
            raise LicenseMalformed(mistake) from None
        raise
    return _license_claims(kid, payload)


@lru_cache(maxsize=16)  # by the whole text, of which the caller has verified the signature
def _license_claims(kid: str, payload: str) -> LicenseClaims:
    claims = _json(payload, "payload")
    if claims.get("iss") != ISSUER:
        raise LicenseMalformed(f"its issuer (iss) is not {ISSUER}")
    read = LicenseClaims(
        kid=kid,
        jti=_text(claims, "jti"),
        aws_account_id=_account(claims),
        plan=_plan(claims),
        issued_at=_instant(claims, "iat"),
        not_before=_instant(claims, "nbf"),
        expires_at=_instant(claims, "exp"),
        customer=_text(claims, "customer") if "customer" in claims else "",
        revokes=_texts(claims, "revokes") if "revokes" in claims else (),
    )
    if read.expires_at <= read.not_before:
        raise LicenseMalformed("its expiry (exp) is not later than its start (nbf)")
    if read.expires_at - read.not_before > MAX_TERM:
        raise LicenseMalformed("its term is longer than 5 years")
    if read.issued_at > read.expires_at:
        raise LicenseMalformed("its issue date (iat) is later than its expiry (exp)")
    if read.jti in read.revokes:
        raise LicenseMalformed("it revokes itself")
    return read


def validate(
    claims: LicenseClaims, *, account_id: str, now: datetime, revoked: Collection[str]
) -> None:
    """Validate the claims of a key at `now`. Return nothing.

    Raises LicenseWrongAccount, LicenseRevoked, LicenseNotYetValid or LicenseExpired.
    """
    if claims.aws_account_id != account_id:
        raise LicenseWrongAccount(claims, account_id=account_id)
    if claims.jti in revoked:
        raise LicenseRevoked(claims)
    if now < claims.not_before or now < claims.issued_at - CLOCK_SKEW:
        raise LicenseNotYetValid(claims)
    if now >= claims.expires_at:
        raise LicenseExpired(claims)


def issue(
    *,
    signing_key: SigningKey,
    jti: str,
    aws_account_id: str,
    plan: str,
    issued_at: datetime,
    not_before: datetime,
    expires_at: datetime,
    customer: str = "",
    revokes: Iterable[str] = (),
) -> str:
    """Return a signed license key with these claims.

    Datetimes are aware and are truncated to seconds. Raises LicenseError for claims that `read`
    would reject.
    """
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "jti": jti,
        "aws_account_id": aws_account_id,
        "plan": plan,
        "iat": int(issued_at.timestamp()),
        "nbf": int(not_before.timestamp()),
        "exp": int(expires_at.timestamp()),
    }
    if customer:
        claims["customer"] = customer
    if names := list(revokes):
        claims["revokes"] = names
    key = _sign(claims, LICENSE_TYPE, signing_key)
    read(key, {thumbprint(signing_key.public_key()): signing_key.public_key()})
    return key


def read_revocations(text: str, keyring: Keyring) -> RevocationList:
    """Return the revocation list in a signed text.

    Raises RevocationsError for a text that breaks a rule of the format, or that no key in `keyring`
    verifies.
    """
    compact = "".join(text.split())
    try:
        _, payload = _open(compact, REVOCATIONS_TYPE, keyring, max_bytes=MAX_REVOCATIONS_BYTES)
        claims = _json(payload, "payload")
        if claims.get("iss") != ISSUER:
            raise LicenseMalformed(f"its issuer (iss) is not {ISSUER}")
        seq = claims.get("seq")
        if type(seq) is not int or not 0 < seq < 2**63:
            raise LicenseMalformed("seq is not a positive integer")
        return RevocationList(
            seq=seq,
            issued_at=_instant(claims, "iat"),
            revoked=frozenset(_texts(claims, "revoked")),
        )
    except (LicenseMalformed, LicenseBadSignature) as refused:
        msg = f"The revocation list is not trusted: {refused.reason}."
        raise RevocationsError(msg) from None


def issue_revocations(
    *, signing_key: SigningKey, seq: int, issued_at: datetime, revoked: Iterable[str]
) -> str:
    """Return a signed revocation list.

    Raises RevocationsError for values that `read_revocations` would reject.
    """
    claims = {
        "iss": ISSUER,
        "iat": int(issued_at.timestamp()),
        "seq": seq,
        "revoked": sorted(revoked),
    }
    text = _sign(claims, REVOCATIONS_TYPE, signing_key)
    read_revocations(text, {thumbprint(signing_key.public_key()): signing_key.public_key()})
    return text


def _sign(claims: Mapping[str, Any], typ: str, signing_key: SigningKey) -> str:
    header = {"alg": ALGORITHM, "kid": thumbprint(signing_key.public_key()), "typ": typ}
    signed = f"{_encode(_serialize(header))}.{_encode(_serialize(claims))}"
    # PyJWT calls only the method `sign` of the key.
    signature = _rs256.sign(signed.encode(), cast(RSAPrivateKey, signing_key))
    return f"{signed}.{_encode(signature)}"


def _serialize(members: Mapping[str, Any]) -> bytes:
    text = json.dumps(members, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="surrogatepass")  # `read` rejects invalid UTF-8


def _encode(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _open(compact: str, typ: str, keyring: Keyring, *, max_bytes: int) -> tuple[str, str]:
    """Return the `kid` and the payload of a token of this type after verifying its signature."""
    if not compact:
        raise LicenseMalformed("it is empty")
    if len(compact) > max_bytes:
        raise LicenseMalformed(f"it is longer than {max_bytes // 1024} KiB")
    if not _COMPACT.fullmatch(compact):
        if typ == LICENSE_TYPE:
            raise LicenseMalformed(
                "paste only the key, which starts with eyJ and contains two dots"
            )
        raise LicenseMalformed("it is not three base64url parts separated by two dots")
    header, payload, signature = compact.split(".")
    kid = _kid(header, typ)
    signed = _decode(signature, "signature")
    if (public_key := keyring.get(kid)) is None:
        raise LicenseBadSignature("its signing key (kid) is not a trusted key of this deployment")
    # The algorithm is fixed here. The header does not select it; `_kid` only compares it.
    if not _rs256.verify(f"{header}.{payload}".encode(), public_key, signed):
        raise LicenseBadSignature("it does not match the key, which may have been altered")
    return kid, payload


@lru_cache(maxsize=16)  # by the whole text: the headers of all licenses of a key are the same
def _kid(segment: str, typ: str) -> str:
    header = _json(segment, "header")
    if header.get("alg") != ALGORITHM:
        raise LicenseMalformed(f"its algorithm (alg) is not {ALGORITHM}")
    if header.get("typ") != typ:
        raise LicenseMalformed(f"its type (typ) is not {typ}")
    if header.keys() != {"alg", "kid", "typ"}:
        raise LicenseMalformed("its header must contain exactly alg, kid and typ")
    kid = header["kid"]
    if not isinstance(kid, str):
        raise LicenseMalformed("its key id (kid) is not a string")
    return kid


def _json(segment: str, part: str) -> dict[str, Any]:
    try:
        text = _decode(segment, part).decode()
    except UnicodeDecodeError:
        raise LicenseMalformed(f"its {part} is not UTF-8") from None
    try:
        members = _decoder.decode(text)
    except LicenseMalformed:
        raise
    except (ValueError, RecursionError):
        raise LicenseMalformed(f"its {part} is not JSON") from None
    if not isinstance(members, dict):
        raise LicenseMalformed(f"its {part} is not a JSON object")
    return members


def _decode(segment: str, part: str) -> bytes:
    try:
        octets = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except binascii.Error:
        raise LicenseMalformed(f"its {part} is not base64url") from None
    # The last character may have unused bits: several texts would then encode the same key.
    if _encode(octets) != segment:
        raise LicenseMalformed(f"its {part} is not canonical base64url")
    return octets


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(members)
    if len(unique) != len(members):
        raise LicenseMalformed("it contains a duplicate member")
    return unique


def _refuse_constant(name: str) -> NoReturn:
    raise LicenseMalformed("it contains NaN or Infinity, which are not valid JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)


def _instant(claims: Mapping[str, Any], name: str) -> datetime:
    seconds = claims.get(name)
    if type(seconds) is not int:  # bool is an int to isinstance
        raise LicenseMalformed(f"its {name} is not a date in whole seconds")
    try:
        instant = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        instant = None
    if instant is None or instant.year not in YEARS:
        raise LicenseMalformed(f"its {name} is outside the years {YEARS[0]} to {YEARS[-1]}")
    return instant


def _text(claims: Mapping[str, Any], name: str) -> str:
    if not _is_text(text := claims.get(name)):
        raise LicenseMalformed(
            f"its {name} is not printable text of 1 to {MAX_TEXT_LENGTH} characters"
        )
    return str(text)


def _texts(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    texts = claims.get(name)
    if not isinstance(texts, list) or not all(map(_is_text, texts)):
        raise LicenseMalformed(f"its {name} is not a list of printable strings")
    return tuple(texts)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT_LENGTH and value.isprintable()


def _account(claims: Mapping[str, Any]) -> str:
    account = claims.get("aws_account_id")
    if not isinstance(account, str) or not _ACCOUNT.fullmatch(account):
        raise LicenseMalformed("its aws_account_id is not twelve digits")
    return account


def _plan(claims: Mapping[str, Any]) -> Plan:
    plan = claims.get("plan")
    if not isinstance(plan, str) or plan not in list(Plan):
        raise LicenseMalformed("its plan is neither trial nor paid")
    return Plan(plan)
