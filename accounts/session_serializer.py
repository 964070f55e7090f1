"""What a session holds, such as the secret of a second factor that is being set up, encrypted."""

from __future__ import annotations

import json
from typing import Any

from storage import encryption


class EncryptedSerializer:
    """For settings.SESSION_SERIALIZER. A session that no key can read is an empty one."""

    def dumps(self, data: Any) -> bytes:
        return encryption.encrypt(json.dumps(data, separators=(",", ":"))).encode()

    def loads(self, stored: bytes) -> Any:
        return json.loads(encryption.decrypt(stored.decode()))
