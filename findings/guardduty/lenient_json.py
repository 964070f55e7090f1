"""How to look into JSON that anybody may have written, and never fail. Pure: no Django."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any

_number = re.compile(r"[0-9]{1,14}(\.[0-9]{1,18})?")
_time = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ](?P<time>[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?)"
    r" ?(?P<offset>[Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)
_surrogate = re.compile("[\ud800-\udfff]")
_NO_TEXT = {"", "null", "None"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def field(value: Any, *path: str) -> Any:
    """What stands under the camelCase keys or their PascalCase twins; None where nothing does."""
    for key in path:
        if not isinstance(value, (dict, Mapping)):
            return None
        found = value.get(key)
        value = value.get(pascal(key)) if found is None else found
    return value


def each(value: Any) -> Iterator[Mapping[str, Any]]:
    """The objects in an array; an object alone counts as one."""
    for item in value if isinstance(value, list | tuple) else (value,):
        if isinstance(item, Mapping):
            yield item


def from_json(text: Any) -> Any:
    """What the JSON says, or None where the text is none."""
    if not isinstance(text, str):
        return None
    try:
        return json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):  # RecursionError: nested a thousand deep
        return None


@cache  # of the few keys that we ask for; never of what a finding holds
def pascal(key: str) -> str:
    return key[:1].upper() + key[1:]


def text_in(value: Any, limit: int) -> str:
    """Text that a database can hold, of at most `limit` characters; "" for no text.

    NUL is removed and half of a surrogate pair replaced. The words "null" and "None" are what a
    program writes that had no text.
    """
    if not isinstance(value, str) or value.strip() in _NO_TEXT:
        return ""
    text = value.replace("\0", "")
    if not text.isascii():
        text = _surrogate.sub("\ufffd", text)
    return text.strip()[:limit].rstrip()


def first_in(value: Any, *paths: tuple[str, ...], limit: int) -> str:
    """The text under the first of the paths that leads to any."""
    return next(filter(None, (text_in(field(value, *path), limit) for path in paths)), "")


def number_in(value: Any) -> int | float | None:
    if isinstance(value, str) and _number.fullmatch(value.strip()):
        return float(value) if "." in value else int(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def instant_in(value: Any) -> datetime | None:
    try:
        if isinstance(value, str) and (parts := _time.fullmatch(value.strip())):
            # Without an offset it is UTC, as everything that GuardDuty says.
            offset = (parts["offset"] or "Z").upper()
            return datetime.fromisoformat(f"{parts['date']}T{parts['time']}{offset}").astimezone(
                UTC
            )
        number = number_in(value)
        if number is None or not 0 <= number < 10**14:
            return None
        if isinstance(value, str) and number < 10**8:
            return None  # "2025" or "20250225": a date, which is no instant
        # As seconds, 10**11 is the year 5138; as milliseconds, 1973: before GuardDuty.
        if number < 10**11:
            return _EPOCH + timedelta(seconds=number)
        return _EPOCH + timedelta(milliseconds=number)
    except (ValueError, OverflowError):  # the 30th of February; an offset beyond the year 1
        return None


def address_in(value: Any) -> str:
    """The canonical form, or "". An IPv4 address that is mapped into IPv6 is that IPv4 address."""
    return _canonical(value) if isinstance(value, str) and len(value) < 100 else ""


@lru_cache(maxsize=4096)  # a batch of findings names the same ones again and again
def _canonical(value: str) -> str:
    if "%" in value:  # a zone means something on its own host only
        return ""
    try:
        address = ipaddress.ip_address(value.strip())
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def is_true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.strip().casefold() == "true")
