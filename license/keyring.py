"""The vendor's public keys: a PEM bundle in, RSA keys by their thumbprint out. Knows no Django."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

Keyring = Mapping[str, RSAPublicKey]  # by RFC 7638 thumbprint, which a token names as `kid`

MINIMUM_BITS = 2048
EXPONENT = 65537

_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----", re.DOTALL)


class KeyringError(ValueError):
    """A key file that must not be trusted or signed with. The text says why and how to mend it."""


@lru_cache(maxsize=2)  # of what the bytes say, not of the file: a changed file is other bytes
def load_public_keys(pem: bytes) -> Keyring:
    """The keys of a bundle of PEM blocks, in its order. Raises KeyringError."""
    keys: dict[str, RSAPublicKey] = {}
    for block in _BLOCK.finditer(pem):
        if block[1].endswith(b"PRIVATE KEY"):
            msg = "It holds a private key. Replace it by the public key, and the key pair as well."
            raise KeyringError(msg)
        try:
            key = load_pem_public_key(block[0])
        except (ValueError, UnsupportedAlgorithm):
            msg = f"A PEM block ({block[1].decode()}) is no public key."
            raise KeyringError(msg) from None
        if not isinstance(key, RSAPublicKey):
            msg = "A key is not RSA. Licenses are signed with RSA-2048 or longer."
            raise KeyringError(msg)
        _insist_on_strength(key)
        keys[thumbprint(key)] = key
    if not keys:
        msg = "It holds no PEM block with a public key (-----BEGIN PUBLIC KEY-----)."
        raise KeyringError(msg)
    return MappingProxyType(keys)


def load_signing_key(pem: bytes) -> RSAPrivateKey:
    """The vendor's private key, from an unencrypted PEM block. Raises KeyringError."""
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        msg = "The signing key is encrypted. Decrypt it first: openssl pkey -in KEY -out PLAIN."
        raise KeyringError(msg) from None
    except (ValueError, UnsupportedAlgorithm):
        msg = "The signing key is no PEM private key. `manage.py createsigningkey` makes one."
        raise KeyringError(msg) from None
    if not isinstance(key, RSAPrivateKey):
        msg = "The signing key is not RSA. `manage.py createsigningkey` makes one."
        raise KeyringError(msg)
    _insist_on_strength(key.public_key())
    return key


def thumbprint(key: RSAPublicKey) -> str:
    """The SHA-256 thumbprint of RFC 7638, base64url without padding: 43 characters."""
    numbers = key.public_numbers()
    members = {"e": _base64url(numbers.e), "kty": "RSA", "n": _base64url(numbers.n)}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()


def _insist_on_strength(key: RSAPublicKey) -> None:
    if key.key_size < MINIMUM_BITS:
        msg = f"A key has {key.key_size} bits; it must have {MINIMUM_BITS} or more."
        raise KeyringError(msg)
    if (exponent := key.public_numbers().e) != EXPONENT:
        msg = f"A key has the exponent {exponent}; it must be {EXPONENT}."
        raise KeyringError(msg)


def _base64url(number: int) -> str:
    octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
