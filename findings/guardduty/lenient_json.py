"""Reads values from untrusted JSON. No function here raises for its input. Pure: no Django."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

_number = re.compile(r"[0-9]{1,14}(\.[0-9]{1,18})?")
_time = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ](?P<time>[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?)"
    r" ?(?P<offset>[Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)
_surrogate = re.compile("[\ud800-\udfff]")
_NO_TEXT = {"null", "None"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def field(value: Any, *path: str) -> Any:
    """Returns the value at the path of camelCase keys, or None.

    Each key also matches in PascalCase.
    """
    for key in path:
        # The exact types first, which are fast: ingest calls this 160 times for each finding.
        if type(value) is not dict and (value is None or not isinstance(value, Mapping)):
            return None
        found = value.get(key)
        value = value.get(_PASCAL[key]) if found is None else found
    return value


def each(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yields the objects in an array. A single object counts as an array of one."""
    if value is None:
        return iter(())
    if type(value) is dict:
        return iter((value,))
    items = value if isinstance(value, list | tuple) else (value,)
    return (item for item in items if type(item) is dict or isinstance(item, Mapping))


def items_of(value: Any) -> Iterator[tuple[str, Any]]:
    """Yields the fields of an object; none if it is not an object."""
    for key, inside in value.items() if isinstance(value, Mapping) else ():
        if isinstance(key, str):
            yield key, inside


def sequence(service: Any, part: str) -> Iterator[Mapping[str, Any]]:
    """Yields one `part` of an attack sequence: its actors, resources, endpoints or signals."""
    return each(field(service, "detection", "sequence", part))


def from_json(text: Any) -> Any:
    """Returns the decoded JSON, or None if the value is not a string of valid JSON."""
    if not isinstance(text, str):
        return None
    try:
        return json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):  # RecursionError: nested a thousand deep
        return None


def additional(service: Any) -> Iterator[Mapping[str, Any]]:
    """Yields GuardDuty's additional information, which may be JSON in a string."""
    info = field(service, "additionalInfo")
    yield from each(info)
    yield from each(from_json(field(info, "value")))


class _Pascal(dict[str, str]):
    """The keys in our code, which are few, in PascalCase. A look-up is faster than a call."""

    def __missing__(self, key: str) -> str:
        self[key] = key[:1].upper() + key[1:]
        return self[key]


_PASCAL = _Pascal()


def pascal(key: str) -> str:
    """Returns a camelCase key of our code in PascalCase. Never call it with a key of a finding."""
    return _PASCAL[key]


def text_in(value: Any, limit: int) -> str:
    """Returns text that a database can store, cut to `limit` characters; "" if it is not text.

    Removes NUL and replaces lone surrogates. "null" and "None" count as no text, because programs
    write them for a missing value.
    """
    if not isinstance(value, str):
        return ""
    text = value.replace("\0", "")
    if not text.isascii():
        text = _surrogate.sub("\ufffd", text)
    text = text.strip()
    if len(text) > limit:
        text = text[:limit].rstrip()
    return "" if text in _NO_TEXT else text


def first_in(value: Any, *paths: tuple[str, ...], limit: int) -> str:
    """Returns the text at the first path that has any, cut to `limit` characters; else ""."""
    for path in paths:
        if text := text_in(field(value, *path), limit):
            return text
    return ""


def number_in(value: Any) -> int | float | None:
    """Returns the number, also from a string of digits; None if it is not a number."""
    if isinstance(value, str) and _number.fullmatch(value.strip()):
        return float(value) if "." in value else int(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def instant_in(value: Any) -> datetime | None:
    """Returns a time as an aware datetime in UTC; None if it is not a time.

    Accepts ISO 8601 with date and time, and Unix time in seconds or milliseconds.
    """
    try:
        if isinstance(value, str) and (parts := _time.fullmatch(value.strip())):
            # Without an offset it is UTC, like all times from GuardDuty.
            offset = (parts["offset"] or "Z").upper()
            return datetime.fromisoformat(f"{parts['date']}T{parts['time']}{offset}").astimezone(
                UTC
            )
        number = number_in(value)
        if number is None or not 0 <= number < 10**14:
            return None
        if isinstance(value, str) and number < 10**8:
            return None  # "2025" or "20250225" is a date, not a time
        # 10**11 seconds is the year 5138; 10**11 milliseconds is 1973, before GuardDuty existed.
        if number < 10**11:
            return _EPOCH + timedelta(seconds=number)
        return _EPOCH + timedelta(milliseconds=number)
    except (ValueError, OverflowError):  # February 30, or an offset to before the year 1
        return None


def address_in(value: Any) -> str:
    """Returns an IP address in canonical form, or "" if it is not one.

    An IPv4-mapped IPv6 address is returned as the IPv4 address.
    """
    return _canonical(value) if isinstance(value, str) and len(value) < 100 else ""


@lru_cache(maxsize=4096)  # a batch of findings often repeats addresses
def _canonical(value: str) -> str:
    if "%" in value:  # a zone ID is valid only on its own host
        return ""
    try:
        address = ipaddress.ip_address(value.strip())
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def is_true(value: Any) -> bool:
    """Returns whether the value is true or the string "true" in any case."""
    return value is True or (isinstance(value, str) and value.strip().casefold() == "true")
