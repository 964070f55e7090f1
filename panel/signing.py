"""Loads the license signing key: a PEM file or a key in AWS KMS, behind one interface."""

from __future__ import annotations

import hashlib
import stat
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import HashAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from django.conf import settings

from license.keyring import Keyring, KeyringError, load_public_keys, load_signing_key, thumbprint
from license.token import SigningKey

KMS_PREFIX = "kms:"
KMS_ALGORITHM = "RSASSA_PKCS1_V1_5_SHA_256"
KMS_MAX_MESSAGE = 4096  # bytes that KMS hashes itself; longer messages are hashed here


class SigningError(Exception):
    """The signing key cannot be used. The text says why and how to fix it, without any secret."""


class KmsKey:
    """An RSA key in AWS KMS. boto3 reads the region and credentials from the environment.

    The methods raise SigningError.
    """

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id

    def public_key(self) -> RSAPublicKey:
        """Returns the public half. Cached for the life of the process."""
        return _kms_public_key(self.key_id)

    def sign(self, data: bytes, padding: AsymmetricPadding, algorithm: HashAlgorithm) -> bytes:
        """Returns the signature of `data`, always by KMS_ALGORITHM."""
        kind, message = "RAW", data
        if len(data) > KMS_MAX_MESSAGE:
            kind, message = "DIGEST", hashlib.sha256(data).digest()
        answer = _ask_kms(
            "sign",
            KeyId=self.key_id,
            Message=message,
            MessageType=kind,
            SigningAlgorithm=KMS_ALGORITHM,
        )
        return bytes(answer["Signature"])


def signing_key() -> SigningKey:
    """Returns the key that LICENSE_SIGNING_KEY names. Raises SigningError."""
    named = settings.LICENSE_SIGNING_KEY
    if not named:
        msg = "LICENSE_SIGNING_KEY is not set."
        raise SigningError(msg)
    if named.startswith(KMS_PREFIX):
        key_id = named.removeprefix(KMS_PREFIX)
        if "alias/" in key_id:
            msg = "An alias of AWS KMS can be moved to another key: use the key id or its ARN."
            raise SigningError(msg)
        return KmsKey(key_id)
    path = Path(named)
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            msg = f"Other users can read the signing key {path.name}: run chmod 600 {path.name}"
            raise SigningError(msg)
        return load_signing_key(path.read_bytes())
    except OSError as error:
        msg = f"The signing key {path.name} cannot be read: {error.strerror}."
        raise SigningError(msg) from None
    except KeyringError as error:
        raise SigningError(str(error)) from None


def published_keys() -> Keyring:
    """Returns the public half of the signing key, and other_public_keys(). Raises SigningError."""
    own = signing_key().public_key()
    return {thumbprint(own): own, **other_public_keys()}


def other_public_keys() -> Keyring:
    """Returns the keys in the file LICENSE_OTHER_PUBLIC_KEYS. Raises SigningError."""
    if not settings.LICENSE_OTHER_PUBLIC_KEYS:
        return {}
    path = Path(settings.LICENSE_OTHER_PUBLIC_KEYS)
    try:
        return load_public_keys(path.read_bytes())
    except OSError as error:
        msg = f"{path.name} cannot be read: {error.strerror}."
        raise SigningError(msg) from None
    except KeyringError as error:
        msg = f"{path.name}: {error}"
        raise SigningError(msg) from None


def as_pem(keys: Keyring) -> bytes:
    """Returns the keys as one PEM bundle."""
    return b"".join(
        key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for key in keys.values()
    )


@lru_cache  # the public half of a KMS key never changes
def _kms_public_key(key_id: str) -> RSAPublicKey:
    answer = _ask_kms("get_public_key", KeyId=key_id)
    key = load_der_public_key(answer["PublicKey"])
    if not isinstance(key, RSAPublicKey) or KMS_ALGORITHM not in answer.get(
        "SigningAlgorithms", ()
    ):
        msg = f"The KMS key {key_id} cannot sign ({KMS_ALGORITHM}): create an RSA_2048 signing key."
        raise SigningError(msg)
    return key


def _ask_kms(operation: str, **parameters: Any) -> dict[str, Any]:
    config = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 3})  # seconds
    try:
        # A new session: boto3 sessions are not thread-safe.
        client = boto3.session.Session().client("kms", config=config)
        answer: dict[str, Any] = getattr(client, operation)(**parameters)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        msg = f"AWS KMS refused {operation}: {code}."
        raise SigningError(msg) from None
    except BotoCoreError as error:
        msg = f"AWS KMS request failed: {type(error).__name__}."
        raise SigningError(msg) from None
    return answer
