"""A license key in, LicenseClaims out, or a LicenseError that says which rule the key breaks.

A key is a JWS in compact form (RFC 7515) whose claims follow RFC 7519. This module parses and
validates it. Of PyJWT it uses RSAAlgorithm alone: one call that verifies the RS256 signature with
cryptography, and one that makes it. PyJWT's decode() accepts several forms that are refused here.

This module knows no Django, no clock and no settings: the caller passes the keys, the account and
the time.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, NoReturn, Protocol, cast

from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import HashAlgorithm
from jwt.algorithms import RSAAlgorithm

from license.keyring import Keyring, thumbprint
from storage.instants import iso

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
_ACCOUNT = re.compile(r"[0-9]{12}")  # not \d, which takes the digits of other scripts too
_rs256 = RSAAlgorithm(RSAAlgorithm.SHA256)


class Plan(StrEnum):
    """What was sold. Both plans allow the same."""

    TRIAL = "trial"
    PAID = "paid"


@dataclass(frozen=True, slots=True)
class LicenseClaims:
    """What a correctly signed key says. Instants are aware, in UTC, to the second."""

    kid: str
    jti: str
    aws_account_id: str
    plan: Plan
    issued_at: datetime
    not_before: datetime
    expires_at: datetime  # the first instant at which the license is expired
    customer: str = ""
    revokes: tuple[str, ...] = ()

    def days_left(self, now: datetime) -> int:
        """Whole days until `exp`, rounded down; 0 on the last day and after it."""
        return max((self.expires_at - now).days, 0)


@dataclass(frozen=True, slots=True)
class RevocationList:
    """The `jti`s that the vendor has revoked. A list with a higher `seq` replaces this one."""

    seq: int
    issued_at: datetime
    revoked: frozenset[str]


class SigningKey(Protocol):
    """What signs: the vendor's RSAPrivateKey, or a key that never leaves its keeper (AWS KMS)."""

    def public_key(self) -> RSAPublicKey: ...

    def sign(self, data: bytes, padding: AsymmetricPadding, algorithm: HashAlgorithm) -> bytes:
        """The signature of `data`. It is asked for RS256 only: PKCS1v15 and SHA-256."""


REASONS: dict[str, type[LicenseError]] = {}  # by their code

_INSTALL_COMMAND = """\
manage.py license               # what is wrong
manage.py setlicense - < key.txt"""


class LicenseError(Exception):
    """A key that must not be honored. The text is for people, `code` for programs; neither holds
    the key. `claims` is what the key says, where its signature is good.

    A subclass is a reason, and holds all that is said of it anywhere.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    remedy: ClassVar[str]  # the one next step, as a sentence
    cause: ClassVar[str]  # on its page; problems.catalog says how this and `fix` are marked up
    fix: ClassVar[str]
    command: ClassVar[str] = _INSTALL_COMMAND
    state: ClassVar[str] = "Rejected"  # in the history of keys
    color: ClassVar[str] = "red"
    claims: LicenseClaims | None = None

    def __init_subclass__(cls) -> None:
        for name in LicenseError.__annotations__.keys() - {"claims"}:
            getattr(cls, name)  # a reason that leaves one out fails here
        REASONS[cls.code] = cls


class LicenseMissing(LicenseError):
    code = "license_missing"
    title = "License missing"
    remedy = "Request a license, then paste its key on the License page."
    cause = (
        "No license key was ever installed here. Everything can be read; every change is refused."
    )
    fix = (
        "Request a trial or buy a license for the AWS account of this deployment, then paste its"
        " key on the [License page](/license). Writes are on at once, without a restart."
    )

    def __init__(self) -> None:
        super().__init__("No license is installed.")


class LicenseMalformed(LicenseError):
    code = "license_malformed"
    title = "License malformed"
    remedy = "Paste the key again, whole, on the License page."
    cause = (
        "The text is no license key: it is cut off, has other characters in it, or breaks a rule of"
        " the format. The reason beside the key says which."
    )
    fix = (
        "Copy the key again from the vendor's mail, from the first character to the last, and paste"
        " it on the [License page](/license). Spaces and line breaks do no harm; dropping the file"
        " avoids copying at all."
    )
    command = "manage.py setlicense --dry-run --file key.txt\nmanage.py setlicense --file key.txt"

    def __init__(self, reason: str) -> None:
        super().__init__(f"This is not a valid license key: {reason}.")
        self.reason = reason


class LicenseBadSignature(LicenseError):
    code = "license_bad_signature"
    title = "License signature not trusted"
    remedy = "Install a key that the vendor signed, or restore the public key."
    cause = (
        "None of the public keys in `public/public-key.pem` has signed the installed key; or its"
        " text was altered; or that file is missing or damaged."
    )
    fix = (
        "Copy the key again from the vendor's mail, whole, and paste it on the"
        " [License page](/license). If a key that used to work is refused after an upgrade, compare"
        " the thumbprints there with the vendor's, and restore the file."
    )
    command = f"manage.py check --tag security  # is the public key readable?\n{_INSTALL_COMMAND}"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The license key's signature is not trusted: {reason}.")
        self.reason = reason


class LicenseWrongAccount(LicenseError):
    code = "license_wrong_account"
    title = "License for another AWS account"
    remedy = "Install a license for this AWS account, or correct AWS_ACCOUNT_ID."
    cause = (
        "A license is made for one AWS account. The installed one names another than the account"
        " that this deployment is told it runs in."
    )
    fix = (
        "Compare the two numbers on the [License page](/license). If the portal's is right, ask the"
        " vendor for a license for it. If it is wrong, correct the environment variable"
        " `AWS_ACCOUNT_ID` and start the portal again."
    )
    command = "aws sts get-caller-identity --query Account\nmanage.py setlicense - < key.txt"

    def __init__(self, claims: LicenseClaims, *, account_id: str) -> None:
        here = (
            f"AWS account {account_id}" if account_id else "an unknown account: set AWS_ACCOUNT_ID"
        )
        super().__init__(
            f"The license is for AWS account {claims.aws_account_id};"
            f" this deployment runs in {here}."
        )
        self.claims = claims


class LicenseRevoked(LicenseError):
    code = "license_revoked"
    title = "License revoked"
    remedy = "Paste the replacement key on the License page, or ask for one."
    cause = (
        "The vendor has taken this license back: a replacement key or the vendor's list of"
        " revocations names it. It never becomes valid again."
    )
    fix = (
        "Paste the replacement key that the vendor sent on the [License page](/license), or ask the"
        " vendor for one."
    )
    state = "Revoked"

    def __init__(self, claims: LicenseClaims) -> None:
        super().__init__(f"The license {claims.jti} has been revoked by the vendor.")
        self.claims = claims


class LicenseNotYetValid(LicenseError):
    code = "license_not_yet_valid"
    title = "License not yet valid"
    remedy = "Wait until it begins, or install a license that is valid today."
    cause = "The installed license begins in the future, and no other is in force."
    fix = (
        "Wait: it takes over by itself. To write before that, install a license that is valid today"
        " on the [License page](/license). If the license should have begun already, look at the"
        " clock of the machine."
    )
    command = f"date --utc                      # is the clock right?\n{_INSTALL_COMMAND}"
    state, color = "Queued", "yellow"

    def __init__(self, claims: LicenseClaims) -> None:
        begins = max(claims.not_before, claims.issued_at)
        super().__init__(f"The license is valid only from {iso(begins)} on.")
        self.claims = claims


class LicenseExpired(LicenseError):
    code = "license_expired"
    title = "License expired"
    remedy = "Renew the license, then paste the new key on the License page."
    cause = (
        "The end of the license has passed. Everything can be read, and the saved threat policy"
        " stays in force; every change is refused."
    )
    fix = (
        "Renew the license, then paste the new key on the [License page](/license). A renewal can"
        " be pasted early: it takes over by itself."
    )
    state, color = "Expired", ""

    def __init__(self, claims: LicenseClaims) -> None:
        super().__init__(f"The license expired at {iso(claims.expires_at)}.")
        self.claims = claims


class RevocationsError(ValueError):
    """A revocation list that must not be honored. The text says why."""


def verify(
    key: str,
    *,
    keyring: Keyring,
    account_id: str,
    now: datetime,
    revoked: Collection[str] = frozenset(),
) -> LicenseClaims:
    """The claims of a key that is valid for this account at the instant `now`.

    `revoked` are the `jti`s that are revoked. Raises LicenseError.
    """
    claims = read(key, keyring)
    validate(claims, account_id=account_id, now=now, revoked=revoked)
    return claims


def read(key: str, keyring: Keyring) -> LicenseClaims:
    """The claims of a key, whatever its account and dates. White space in the key is ignored.

    Raises LicenseMalformed for a key that breaks a rule of the format, and LicenseBadSignature for
    one that none of these public keys has signed.
    """
    compact = "".join(key.split())  # mail clients wrap and indent; nothing else is forgiven
    kid, claims = _open(compact, LICENSE_TYPE, keyring, max_bytes=MAX_LICENSE_BYTES)
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
        raise LicenseMalformed("it ends (exp) no later than it begins (nbf)")
    if read.expires_at - read.not_before > MAX_TERM:
        raise LicenseMalformed("its term is over 5 years")
    if read.issued_at > read.expires_at:
        raise LicenseMalformed("it was issued (iat) after it ends (exp)")
    if read.jti in read.revokes:
        raise LicenseMalformed("it revokes itself")
    return read


def validate(
    claims: LicenseClaims, *, account_id: str, now: datetime, revoked: Collection[str]
) -> None:
    """Raises LicenseError if these claims are for another account, are revoked, or are not valid
    at the instant `now`. Returns nothing."""
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
    """A license key with these claims, signed. Instants are aware; fractions of a second are cut
    off. Raises LicenseError for claims that `read` would refuse."""
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
    """The vendor's revocation list, from its signed text. Raises RevocationsError for a text that
    breaks a rule of the format or that none of these public keys has signed."""
    compact = "".join(text.split())
    try:
        _, claims = _open(compact, REVOCATIONS_TYPE, keyring, max_bytes=MAX_REVOCATIONS_BYTES)
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
        msg = f"The revocation list is not to be trusted: {refused.reason}."
        raise RevocationsError(msg) from None


def issue_revocations(
    *, signing_key: SigningKey, seq: int, issued_at: datetime, revoked: Iterable[str]
) -> str:
    """A signed list. Raises RevocationsError for what `read_revocations` would refuse."""
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
    # PyJWT asks nothing else of the key than `sign`.
    signature = _rs256.sign(signed.encode(), cast(RSAPrivateKey, signing_key))
    return f"{signed}.{_encode(signature)}"


def _serialize(members: Mapping[str, Any]) -> bytes:
    text = json.dumps(members, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="surrogatepass")  # `read` refuses what is not UTF-8


def _encode(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _open(
    compact: str, typ: str, keyring: Keyring, *, max_bytes: int
) -> tuple[str, dict[str, Any]]:
    """The `kid` and the claims of a token of this type, once its signature has been checked."""
    if not compact:
        raise LicenseMalformed("it is empty")
    if len(compact) > max_bytes:
        raise LicenseMalformed(f"it is longer than {max_bytes // 1024} KiB")
    if not _COMPACT.fullmatch(compact):
        raise LicenseMalformed("it is not three base64url parts with two dots between them")
    header, payload, signature = compact.split(".")
    kid = _kid(_json(header, "header"), typ)
    signed = _decode(signature, "signature")
    if (public_key := keyring.get(kid)) is None:
        raise LicenseBadSignature("it names a signing key that this deployment does not know")
    # The algorithm is ours and not the token's: what the header says has been compared, not obeyed.
    if not _rs256.verify(f"{header}.{payload}".encode(), public_key, signed):
        raise LicenseBadSignature("it does not fit the text, which may have been altered")
    return kid, _json(payload, "payload")


def _kid(header: dict[str, Any], typ: str) -> str:
    if header.get("alg") != ALGORITHM:
        raise LicenseMalformed(f"its algorithm (alg) is not {ALGORITHM}")
    if header.get("typ") != typ:
        raise LicenseMalformed(f"its type (typ) is not {typ}")
    if header.keys() != {"alg", "kid", "typ"}:
        raise LicenseMalformed("its header must hold alg, kid and typ, and nothing else")
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
    # The last character may hold bits that mean nothing; two spellings would then be one key.
    if _encode(octets) != segment:
        raise LicenseMalformed(f"its {part} is not base64url in its one canonical form")
    return octets


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(members)
    if len(unique) != len(members):
        raise LicenseMalformed("it says the same member twice")
    return unique


def _refuse_constant(name: str) -> NoReturn:
    raise LicenseMalformed("it holds NaN or Infinity, which JSON does not have")


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)


def _instant(claims: Mapping[str, Any], name: str) -> datetime:
    seconds = claims.get(name)
    if type(seconds) is not int:  # bool is an int to isinstance
        raise LicenseMalformed(f"its {name} is not a date as a whole number of seconds")
    try:
        instant = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        instant = None
    if instant is None or instant.year not in YEARS:
        raise LicenseMalformed(f"its {name} lies outside the years {YEARS[0]} to {YEARS[-1]}")
    return instant


def _text(claims: Mapping[str, Any], name: str) -> str:
    if not _is_text(text := claims.get(name)):
        raise LicenseMalformed(
            f"its {name} is not a printable text of 1 to {MAX_TEXT_LENGTH} characters"
        )
    return str(text)


def _texts(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    texts = claims.get(name)
    if not isinstance(texts, list) or not all(map(_is_text, texts)):
        raise LicenseMalformed(f"its {name} is not a list of printable texts")
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
