"""Verifies the signature of each signed text once in a write, which is checked twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from django.views.decorators.debug import sensitive_variables

from license import token
from license.claims import LicenseClaims
from license.keyring import Keyring
from license.token import RevocationList

_T = TypeVar("_T")


class Verified:
    """What was read of texts whose signatures this write has verified.

    The second check of a write reads the public keys, the installed keys and the revocation lists
    again. Only a text that is the same, with the same public keys, is not verified again. No two
    requests share it.
    """

    def __init__(self) -> None:
        self._keyring: Keyring | None = None
        self._found: dict[tuple[object, str], Any] = {}

    def license(self, key: str, keyring: Keyring) -> LicenseClaims:
        """Return the claims of a key. Raises LicenseError, as token.read does."""
        return self._once(token.read, key, keyring)

    def revocations(self, text: str, keyring: Keyring) -> RevocationList:
        """Return a revocation list. Raises RevocationsError, as token.read_revocations does."""
        return self._once(token.read_revocations, text, keyring)

    @sensitive_variables()
    def _once(self, read: Callable[[str, Keyring], _T], text: str, keyring: Keyring) -> _T:
        if keyring is not self._keyring:
            self._keyring, self._found = keyring, {}
        if (read, text) not in self._found:
            self._found[read, text] = read(text, keyring)
        return cast(_T, self._found[read, text])
