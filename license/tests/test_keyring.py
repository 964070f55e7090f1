from __future__ import annotations

import base64
import itertools
import math

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from license import keyring
from license.keyring import KeyringError
from license.tests import keys


def private_pem(
    key: PrivateKeyTypes, encryption: KeySerializationEncryption | None = None
) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def public_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


SHORT = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505  (too short)
CUBE = rsa.generate_private_key(public_exponent=3, key_size=2048)
CURVE = ec.generate_private_key(ec.SECP256R1())


def test_the_thumbprint_is_that_of_the_example_in_rfc_7638() -> None:
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3"
        "oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA"
        "ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"
        "kEgU8awapJzKnqDKgw"
    )  # fmt: skip
    number = int.from_bytes(base64.urlsafe_b64decode(n + "=="), "big")
    key = rsa.RSAPublicNumbers(65537, number).public_key()
    assert keyring.thumbprint(key) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_a_bundle_keeps_its_order_and_its_comments_out() -> None:
    bundle = b"# old\n" + keys.public_pem() + b"\n# next\n" + keys.public_pem(keys.other_key())
    assert list(keyring.load_public_keys(bundle)) == [
        keyring.thumbprint(key.public_key()) for key in (keys.vendor_key(), keys.other_key())
    ]


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (b"", "contains no PEM block"),
        (b"nonsense", "contains no PEM block"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "not a valid public key"),
        (public_pem(SHORT), "1024 bits"),
        (public_pem(CUBE), "exponent 3"),
        (public_pem(CURVE), "not an RSA key"),
        (private_pem(keys.vendor_key()), "private key"),
        (keys.public_pem() + private_pem(keys.vendor_key()), "private key"),
        (keys.public_pem() + public_pem(SHORT), "1024 bits"),
    ],
)
def test_a_bundle_with_one_bad_key_is_not_trusted_at_all(pem: bytes, reason: str) -> None:
    with pytest.raises(KeyringError, match=reason):
        keyring.load_public_keys(pem)


def public_pem_of(modulus: int) -> bytes:
    return rsa.RSAPublicNumbers(65537, modulus).public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip


SMALL_PRIMES = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, n, 2))]


def roca_modulus() -> int:
    """Return a modulus with the ROCA vulnerability (CVE-2017-15361), without small factors."""
    product = 2 * math.prod(prime for prime in SMALL_PRIMES if prime < 170)
    numbers = itertools.count(
        (1 << 2050) // product * product + pow(65537, 12345, product), product
    )
    return next(number for number in numbers if math.gcd(number, keyring._primorial()) == 1)


def close_primes() -> int:
    """Return the product of a prime of 1279 bits and the next prime."""
    prime = 2**1279 - 1
    return prime * (prime + 2056)


MODULUS = keys.vendor_key().public_key().public_numbers().n


@pytest.mark.parametrize(
    ("modulus", "reason"),
    [
        ((1 << 20_000) + 1, "20001 bits"),
        (MODULUS + 1, "factor below"),  # even
        (math.prod(SMALL_PRIMES), "factor below"),
        (roca_modulus(), "ROCA"),
        (2**2203 - 1, "is a prime"),
        (2**2203 * 2**2203 - 2**2204 + 1, "close together"),  # the square of that prime
        (close_primes(), "close together"),
    ],
    ids=["long", "even", "smooth", "ROCA", "prime", "square", "close"],
)
def test_a_weak_modulus_is_not_trusted(modulus: int, reason: str) -> None:
    with pytest.raises(KeyringError, match=reason):
        keyring.load_public_keys(public_pem_of(modulus))


def test_a_good_key_is_not_taken_for_a_weak_one() -> None:
    for _ in range(3):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        assert keyring.load_public_keys(public_pem(key))
        keyring.load_signing_key(private_pem(key))


@pytest.mark.parametrize("line", [b"-----BEGIN PUBLIC KEY-----\n", b"-", b"-----BEGIN A----"])
def test_a_file_full_of_beginnings_is_no_bundle(line: bytes) -> None:
    with pytest.raises(KeyringError, match="larger than 64 KiB"):
        keyring.load_public_keys(line * 20_000 * 30)
    with pytest.raises(KeyringError, match="contains no PEM block"):
        keyring.load_public_keys((line * 64 * 1024)[: 64 * 1024])
    with pytest.raises(KeyringError, match="larger than 64 KiB"):
        keyring.load_signing_key(line * 20_000 * 30)


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (b"", "not a PEM private key"),
        (keys.public_pem(), "not a PEM private key"),
        (private_pem(SHORT), "1024 bits"),
        (private_pem(CUBE), "exponent 3"),
        (private_pem(CURVE), "not an RSA key"),
        (private_pem(keys.vendor_key(), BestAvailableEncryption(b"x")), "encrypted"),
    ],
)
def test_a_bad_signing_key_signs_nothing(pem: bytes, reason: str) -> None:
    with pytest.raises(KeyringError, match=reason):
        keyring.load_signing_key(pem)
