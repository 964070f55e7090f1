"""Encrypts session data, such as the secret of a second factor during setup."""

from __future__ import annotations

import json
from typing import Any

from storage import encryption


class EncryptedSerializer:
    """For settings.SESSION_SERIALIZER. Sessions that cannot be decrypted become empty."""

    def dumps(self, data: Any) -> bytes:
        """Returns the data as encrypted JSON."""
        return encryption.encrypt(json.dumps(data, separators=(",", ":"))).encode()

    def loads(self, stored: bytes) -> Any:
        """Reverses `dumps`. Raises ValueError if no key decrypts it: the session is empty then."""
        return json.loads(encryption.decrypt(stored.decode()))
