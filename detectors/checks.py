"""System checks of the settings of the detectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, register

from detectors import credentials


@register
def check_own_addresses(**kwargs: Any) -> Iterator[CheckMessage]:
    """Yields an error if OWN_ADDRESSES is invalid, with which nothing could be judged."""
    try:
        credentials.own_addresses()
    except ValueError as error:
        yield Error(
            f"OWN_ADDRESSES contains an invalid network: {error}.",
            hint="Set it to comma-separated CIDRs, for example 203.0.113.7/32,2001:db8::/56.",
            id="detectors.E001",
        )
