"""What portal and panel add to allauth's passkey forms, to which strangers can send any JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from allauth.mfa.adapter import get_adapter


class Decoder(json.JSONDecoder):
    def decode(self, s: str, *rest: Any) -> Any:
        try:
            return super().decode(s, *rest)
        except RecursionError:
            raise json.JSONDecodeError("Nested too deeply", "", 0) from None


class CredentialForm:
    """JSON that is nested too deeply is no JSON to its field. It stands before allauth's form."""

    fields: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["credential"].decoder = Decoder


@contextmanager
def wrong_answer() -> Iterator[None]:
    """JSON that no browser makes is a wrong answer. In allauth 65.21 it is a 500."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as malformed:
        raise get_adapter().validation_error("incorrect_code") from malformed
