"""Reads the vendor's keys: a PEM bundle in, RSA keys by their thumbprint out. Knows no Django."""

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

Keyring = Mapping[str, RSAPublicKey]  # by RFC 7638 thumbprint, which a token names as `kid`

MINIMUM_BITS = 2048
MAXIMUM_BITS = 8192  # a longer one makes each write slow
EXPONENT = 65537
MAX_FILE_BYTES = 64 * 1024

# What stands between holds no five hyphens, so that a file of BEGIN lines is read in one pass.
_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----(?:(?!-----).)*-----END \1-----", re.DOTALL)


class KeyringError(ValueError):
    """A key file that must not be trusted or signed with. The text says why and how to fix it."""


@lru_cache(maxsize=2)  # of what the bytes say, not of the file: a changed file is other bytes
def load_public_keys(pem: bytes) -> Keyring:
    """The keys of a bundle of PEM blocks by their thumbprints, in the order of the bundle.

    Raises KeyringError for a file over 64 KiB, a private key, no key at all, and a key that is not
    RSA, is shorter than 2048 bits, is longer than 8192 bits or is known to be weak.
    """
    _insist_on_size(pem)
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
    """The vendor's private key, from an unencrypted PEM block. Raises KeyringError as
    `load_public_keys` does, and for an encrypted key."""
    _insist_on_size(pem)
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


def _insist_on_size(pem: bytes) -> None:
    if len(pem) > MAX_FILE_BYTES:
        msg = f"It is longer than {MAX_FILE_BYTES // 1024} KiB, which no bundle of keys is."
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
        msg = "A key was made by a device with the ROCA defect (CVE-2017-15361). Make a new pair."
        raise KeyringError(msg)
    if pow(2, modulus - 1, modulus) == 1:
        msg = "A key's modulus is a prime: its private key can be computed."
        raise KeyringError(msg)
    if _has_close_factors(modulus):
        msg = "A key's two primes lie close together: its private key can be computed."
        raise KeyringError(msg)


SMALL = 2**16
_FERMAT_STEPS = 100  # more than any key found in the wild took (CVE-2022-26320)


def _has_close_factors(modulus: int) -> bool:
    """Whether Fermat's method factors the modulus: it is a square less a smaller square."""
    root = math.isqrt(modulus - 1) + 1
    rests = ((root + step) ** 2 - modulus for step in range(_FERMAT_STEPS))
    return any(math.isqrt(rest) ** 2 == rest for rest in rests)


_ROCA_PRIMES = 39  # the first so many; by them a good key is mistaken once in some 2**27


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
    """Whether the modulus is a power of 65537 modulo each small prime, as the primes that those
    devices made are. Nemec and others, "The Return of Coppersmith's Attack", 2017, section 2."""
    return all(modulus % prime in _powers(prime) for prime in _small_primes()[:_ROCA_PRIMES])


@lru_cache
def _powers(prime: int) -> frozenset[int]:
    """What 65537 generates modulo a prime."""
    return frozenset(pow(65537, exponent, prime) for exponent in range(prime - 1))


def _base64url(number: int) -> str:
    octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
