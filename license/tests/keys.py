"""Signing keys and license keys for tests."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from license import token
from license.keyring import Keyring, thumbprint

ACCOUNT = "123456789012"


@cache
def vendor_key() -> RSAPrivateKey:
    """Return the signing key that the deployment trusts. Cached, because generation is slow."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def other_key() -> RSAPrivateKey:
    """Return a valid signing key that the deployment does not trust."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def keyring(*keys: RSAPrivateKey) -> Keyring:
    """Return the public keys by thumbprint; by default, that of the vendor."""
    return {thumbprint(key.public_key()): key.public_key() for key in keys or (vendor_key(),)}


def public_pem(*keys: RSAPrivateKey) -> bytes:
    """Return the public keys as a PEM bundle; by default, that of the vendor."""
    return b"".join(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        for key in keys or (vendor_key(),)
    )


def now() -> datetime:
    """Return the current time in UTC, truncated to seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def make_license(
    *,
    begins: timedelta = timedelta(0),
    days: float = 30,
    signing_key: RSAPrivateKey | None = None,
    **claims: Any,
) -> str:
    """Return a license key that is valid for `days`, starting `begins` after the current time."""
    not_before = claims.pop("not_before", now() + begins)
    stated: dict[str, Any] = {
        "jti": str(uuid.uuid4()),
        "aws_account_id": ACCOUNT,
        "plan": "paid",
        "issued_at": min(now(), not_before),
        "not_before": not_before,
        "expires_at": not_before + timedelta(days=days),
    } | claims
    return token.issue(signing_key=signing_key or vendor_key(), **stated)
