"""Tokens with a valid signature and any content, for tests."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from license import token
from license.claims import LicenseClaims
from license.keyring import thumbprint
from license.tests.keys import ACCOUNT, keyring, vendor_key

FULLWIDTH = "".join(chr(ord(digit) + 0xFEE0) for digit in ACCOUNT)  # digits to str.isdigit()
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
HEADER = {"alg": "RS256", "kid": thumbprint(vendor_key().public_key()), "typ": "license+jwt"}
CLAIMS = {
    "iss": "threatreaction.com",
    "jti": "0b1c",
    "aws_account_id": ACCOUNT,
    "plan": "paid",
    "iat": int(NOON.timestamp()),
    "nbf": int(NOON.timestamp()),
    "exp": int((NOON + timedelta(days=30)).timestamp()),
}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def sign(header: object, claims: object, key: RSAPrivateKey | None = None) -> str:
    """Return a token with a valid signature and any content. Bytes are used unchanged."""
    parts = [
        part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)
    ]
    return sign_text(".".join(map(b64, parts)), key)


def sign_text(signed: str, key: RSAPrivateKey | None = None) -> str:
    signature = (key or vendor_key()).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{b64(signature)}"


def read(key: str) -> LicenseClaims:
    return token.read(key, keyring())


def claims_with(**changed: Any) -> dict[str, Any]:
    return {name: value for name, value in (CLAIMS | changed).items() if value is not ...}


def verify(at: datetime, *, account_id: str = ACCOUNT, revoked: Any = ()) -> LicenseClaims:
    return token.verify(
        sign(HEADER, CLAIMS), keyring=keyring(), account_id=account_id, now=at, revoked=revoked
    )
