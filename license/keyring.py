"""Loads the vendor's RSA keys from PEM files. This module does not use Django."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

Keyring = Mapping[str, RSAPublicKey]  # by RFC 7638 thumbprint, the `kid` of a token

MINIMUM_BITS = 2048
MAXIMUM_BITS = 8192  # longer keys slow down every write
EXPONENT = 65537
MAX_FILE_BYTES = 64 * 1024

# The body excludes five hyphens, so that the match is linear for a file of many BEGIN lines.
_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----(?:(?!-----).)*-----END \1-----", re.DOTALL)


class KeyringError(ValueError):
    """A key file was rejected. The message says why and how to fix it."""


@lru_cache(maxsize=2)  # keyed by content: a changed file is parsed again
def load_public_keys(pem: bytes) -> Keyring:
    """Return the public keys in a PEM bundle by thumbprint, in the order of the bundle.

    Raises KeyringError if the bundle is larger than 64 KiB, contains a private key or no key, or
    contains a key that is not RSA, has fewer than 2048 or more than 8192 bits, or is weak.
    """
    _insist_on_size(pem)
    keys: dict[str, RSAPublicKey] = {}
    for block in _BLOCK.finditer(pem):
        if block[1].endswith(b"PRIVATE KEY"):
            msg = (
                "It contains a private key. Generate a new key pair, and store only its public key."
            )
            raise KeyringError(msg)
        try:
            key = load_pem_public_key(block[0])
        except (ValueError, UnsupportedAlgorithm):
            msg = f"A PEM block ({block[1].decode()}) is not a valid public key."
            raise KeyringError(msg) from None
        if not isinstance(key, RSAPublicKey):
            msg = "A key is not an RSA key. Licenses are signed with RSA keys of 2048 bits or more."
            raise KeyringError(msg)
        _insist_on_strength(key)
        keys[thumbprint(key)] = key
    if not keys:
        msg = "It contains no PEM block with a public key (-----BEGIN PUBLIC KEY-----)."
        raise KeyringError(msg)
    return MappingProxyType(keys)


def load_signing_key(pem: bytes) -> RSAPrivateKey:
    """Return the vendor's private key from an unencrypted PEM block.

    Raises KeyringError for the same reasons as `load_public_keys`, and for an encrypted key.
    """
    _insist_on_size(pem)
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        msg = "The signing key is encrypted. Decrypt it first: openssl pkey -in KEY -out PLAIN."
        raise KeyringError(msg) from None
    except (ValueError, UnsupportedAlgorithm):
        msg = "The signing key is not a PEM private key. Use `manage.py createsigningkey`."
        raise KeyringError(msg) from None
    if not isinstance(key, RSAPrivateKey):
        msg = "The signing key is not an RSA key. Use `manage.py createsigningkey`."
        raise KeyringError(msg)
    _insist_on_strength(key.public_key())
    return key


def thumbprint(key: RSAPublicKey) -> str:
    """Return the RFC 7638 SHA-256 thumbprint in base64url without padding (43 characters)."""
    numbers = key.public_numbers()
    members = {"e": _base64url(numbers.e), "kty": "RSA", "n": _base64url(numbers.n)}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()


def _insist_on_size(pem: bytes) -> None:
    if len(pem) > MAX_FILE_BYTES:
        msg = f"It is larger than {MAX_FILE_BYTES // 1024} KiB, the limit for a key bundle."
        raise KeyringError(msg)


def _insist_on_strength(key: RSAPublicKey) -> None:
    if key.key_size > MAXIMUM_BITS:
        msg = f"A key has {key.key_size} bits; it must have {MAXIMUM_BITS} or fewer."
        raise KeyringError(msg)
    if key.key_size < MINIMUM_BITS:
        msg = f"A key has {key.key_size} bits; it must have {MINIMUM_BITS} or more."
        raise KeyringError(msg)
    if (exponent := key.public_numbers().e) != EXPONENT:
        msg = f"A key has the exponent {exponent}; it must be {EXPONENT}."
        raise KeyringError(msg)
    modulus = key.public_numbers().n
    if math.gcd(modulus, _primorial()) != 1:
        msg = f"A key's modulus has a factor below {SMALL}: its private key can be computed."
        raise KeyringError(msg)
    if _is_roca(modulus):
        msg = "A key has the ROCA vulnerability (CVE-2017-15361). Generate a new key pair."
        raise KeyringError(msg)
    if pow(2, modulus - 1, modulus) == 1:
        msg = "A key's modulus is a prime: its private key can be computed."
        raise KeyringError(msg)
    if _has_close_factors(modulus):
        msg = "A key's two primes are close together: its private key can be computed."
        raise KeyringError(msg)


SMALL = 2**16
_FERMAT_STEPS = 100  # more than any known weak key needed (CVE-2022-26320)


def _has_close_factors(modulus: int) -> bool:
    """Return whether Fermat's method factors the modulus, as a difference of two squares."""
    root = math.isqrt(modulus - 1) + 1
    rests = ((root + step) ** 2 - modulus for step in range(_FERMAT_STEPS))
    return any(math.isqrt(rest) ** 2 == rest for rest in rests)


_ROCA_PRIMES = 39  # number of primes to test; about one good key in 2**27 fails the test


@lru_cache(maxsize=1)
def _small_primes() -> list[int]:
    is_prime = bytearray([1]) * SMALL
    is_prime[:2] = b"\0\0"
    for number in range(2, math.isqrt(SMALL) + 1):
        if is_prime[number]:
            is_prime[number * number :: number] = bytes(len(range(number * number, SMALL, number)))
    return [number for number in range(SMALL) if is_prime[number]]


@lru_cache(maxsize=1)
def _primorial() -> int:
    return math.prod(_small_primes())


def _is_roca(modulus: int) -> bool:
    """Return whether the modulus is a power of 65537 modulo each small prime, as ROCA keys are.

    Nemec et al., "The Return of Coppersmith's Attack", 2017, section 2.
    """
    return all(modulus % prime in _powers(prime) for prime in _small_primes()[:_ROCA_PRIMES])


@lru_cache
def _powers(prime: int) -> frozenset[int]:
    """Return the powers of 65537 modulo a prime."""
    return frozenset(pow(65537, exponent, prime) for exponent in range(prime - 1))


def _base64url(number: int) -> str:
    octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
