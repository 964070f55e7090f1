"""Makes allauth's passkey forms reject malformed credentials. Portal and panel use it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from allauth.mfa.adapter import get_adapter


class Decoder(json.JSONDecoder):
    """Reports JSON that is nested too deeply as invalid JSON."""

    def decode(self, s: str, *rest: Any) -> Any:
        """Decodes a document. Raises JSONDecodeError."""
        try:
            return super().decode(s, *rest)
        except RecursionError:
            raise json.JSONDecodeError("Nested too deeply", "", 0) from None


class CredentialForm:
    """Rejects JSON that is nested too deeply. Put it before allauth's form in the list of bases."""

    fields: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["credential"].decoder = Decoder


@contextmanager
def wrong_answer() -> Iterator[None]:
    """Turns malformed JSON into a validation error. In allauth 65.21 it results in a 500."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as malformed:
        raise get_adapter().validation_error("incorrect_code") from malformed
