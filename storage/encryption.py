"""Encrypts secrets in the database, such as those of second factors.

The keys are settings.ENCRYPTION_KEYS, strings of any length. The first key encrypts; every key can
decrypt.
"""

from __future__ import annotations

import base64
import logging
import secrets
from collections.abc import Callable
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.views.decorators.debug import sensitive_variables

logger = logging.getLogger(__name__)

PREFIX = "fernet:"

# What else is encrypted in the database, by its name in the plural. Each function encrypts it again
# and returns the number of rows; it raises InvalidToken.
others: dict[str, Callable[[], int]] = {}


class NoKeyError(Exception):
    """No key in ENCRYPTION_KEYS decrypts a stored secret. It can come back, so nothing is lost."""


@sensitive_variables()
def encrypt(text: str) -> str:
    """Return the text encrypted with the first key. The result starts with `PREFIX`."""
    return PREFIX + _fernet().encrypt(text.encode()).decode()


@sensitive_variables()
def decrypt(stored: str) -> str:
    """Return the decrypted text. Text that was stored unencrypted is returned unchanged.

    If no key decrypts it, logs an error and returns a random secret, which matches no code.
    """
    try:
        return opened(stored)
    except NoKeyError:
        logger.error("ENCRYPTION_KEYS cannot decrypt a stored secret. Restore the key.")
        return base64.b32encode(secrets.token_bytes(20)).decode()


@sensitive_variables()
def opened(stored: str) -> str:
    """Return the decrypted text as `decrypt` does. Raises NoKeyError if no key decrypts it."""
    if not stored.startswith(PREFIX):
        return stored
    try:
        return _fernet().decrypt(stored.removeprefix(PREFIX)).decode()
    except InvalidToken:
        raise NoKeyError from None


@sensitive_variables()
def reencrypt(authenticators: QuerySet[Any, Any], *, in_the_clear: bool = False) -> int:
    """Encrypt the secrets of allauth's authenticators again with the first key.

    With `in_the_clear`, stores them unencrypted. Returns the number of authenticators. Raises
    InvalidToken and changes nothing if no key decrypts one of the secrets.
    """
    rows = 0
    with transaction.atomic():
        for row in authenticators.select_for_update():
            rows += 1
            for name in {"secret", "seed", "migrated_codes"} & row.data.keys():
                row.data[name] = _again(row.data[name], in_the_clear=in_the_clear)
            row.save(update_fields=["data"])
    return rows


@sensitive_variables()
def encrypt_again(stored: str) -> str:
    """Return the text encrypted with the first key. Raises InvalidToken if no key decrypts it."""
    return str(_again(stored, in_the_clear=False))


@sensitive_variables()
def _again(stored: Any, *, in_the_clear: bool) -> Any:
    if isinstance(stored, list):
        return [_again(one, in_the_clear=in_the_clear) for one in stored]
    text = stored
    if stored.startswith(PREFIX):
        text = _fernet().decrypt(stored.removeprefix(PREFIX)).decode()
    return text if in_the_clear else encrypt(text)


@sensitive_variables()
def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(_derived(key)) for key in settings.ENCRYPTION_KEYS])


@sensitive_variables()
def _derived(key: str) -> bytes:
    derivation = HKDF(SHA256(), length=32, salt=None, info=b"threatreaction stored secrets")
    return base64.urlsafe_b64encode(derivation.derive(key.encode()))
