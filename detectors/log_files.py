"""Reads log files of CloudTrail as a stream, with bounds: of each record what counts. No Django.

msgspec builds only the fields of `Record` and skips the others. A file comes in parts of whole
records, so the memory does not grow with the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache
from math import isfinite
from typing import Any, NamedTuple, get_args

import msgspec
from isal import isal_zlib
from msgspec import Raw, Struct, field

UNPACKED_MAX = 2**30  # bytes of a file
RECORDS_MAX = 2**22  # of a file: a record of CloudTrail has at least 256 bytes
RECORD_MAX = 2**20  # bytes; CloudTrail's own limit is 256 KB
_CHUNK = 2**16  # what fits into the cache of a processor is decoded faster


class Broken(Exception):
    """A file that can never be read. The text contains nothing from the file."""


class Issuer(Struct, gc=False, rename="camel"):
    arn: str | None = None
    user_name: str | None = None


class Session(Struct, gc=False, rename="camel"):
    session_issuer: Issuer | None = None


class Identity(Struct, gc=False, rename="camel"):
    """Of the caller."""

    type: str | None = None
    principal_id: str | None = None
    arn: str | None = None
    account_id: str | None = None
    access_key_id: str | None = None
    user_name: str | None = None
    session_context: Session | None = None
    invoked_by: str | None = None


_KMS = "x-amz-server-side-encryption-aws-kms-key-id"


class Parameters(Struct, gc=False, rename="camel"):
    """Of the request."""

    bucket_name: str | None = None
    key: str | None = None
    version_id: str | None = None
    copy_source: str | None = field(default=None, name="x-amz-copy-source")
    customer_algorithm: str | None = field(
        default=None, name="x-amz-server-side-encryption-customer-algorithm"
    )
    kms_key: str | None = field(default=None, name=_KMS)


class Response(Struct, gc=False):
    kms_key: str | None = field(default=None, name=_KMS)


class Transfer(Struct, gc=False, rename="camel"):
    bytes_transferred_in: float | None = None
    bytes_transferred_out: float | None = None


class Resource(Struct, gc=False, rename="camel"):
    account_id: str | None = None
    arn: str | None = field(default=None, name="ARN")


_NOTHING = Raw(b"null")


class Record(Struct, gc=False, rename="camel"):
    """What counts of a record, in the order of CloudTrail, in which msgspec is fastest."""

    user_identity: Raw = _NOTHING  # the same text in many records: see `identity`
    event_time: str | None = None
    event_source: str | None = None
    event_name: str | None = None
    aws_region: str | None = None
    address: str | None = field(default=None, name="sourceIPAddress")
    user_agent: str | None = None
    error_code: str | None = None
    request_parameters: Parameters | None = None
    response_elements: Response | None = None
    additional_event_data: Transfer | None = None
    event_id: str | None = field(default=None, name="eventID")
    resources: Raw = _NOTHING  # seldom needed: see `resources`
    recipient_account_id: str | None = None
    vpc_endpoint_id: str | None = None


class _Said(Struct, gc=False, rename="camel"):
    request_parameters: Raw = Raw(b"")


class Part(NamedTuple):
    """Some records of a file."""

    records: list[Record]
    text: bytes = b""  # the array of them
    unreadable: int = 0  # others, which are no records

    def parameters(self) -> list[str]:
        """Returns the JSON of the whole request parameters of each record."""
        said = _said(self.text)
        return [bytes(one.request_parameters).decode(errors="replace") for one in said]


_records = msgspec.json.Decoder(list[Record]).decode
_record = msgspec.json.Decoder(Record)
_raws = msgspec.json.Decoder(list[Raw]).decode
_said = msgspec.json.Decoder(list[_Said]).decode
_identity = msgspec.json.Decoder(Identity | None)
_resources = msgspec.json.Decoder(list[Resource] | None)


def identity(of: Raw) -> Identity:
    """Returns a caller's identity. What has another form is missing."""
    return _said_by(of, _identity) or Identity()


def resources(of: Raw) -> list[Resource]:
    return _said_by(of, _resources) or []


def _said_by(raw: Raw, decoder: msgspec.json.Decoder[Any]) -> Any:
    try:
        return _decoded(bytes(raw), decoder)[0]
    except (ValueError, RecursionError, Broken):
        return None


def _unpacked(packed: Callable[[int], bytes]) -> Iterator[bytes]:
    total = 0
    engine = isal_zlib.decompressobj(wbits=31)
    while chunk := packed(_CHUNK):
        while chunk:
            if engine.eof:
                if not chunk.strip(b"\0"):  # padding
                    break
                engine = isal_zlib.decompressobj(wbits=31)
            try:
                out = engine.decompress(chunk, _CHUNK)
            except isal_zlib.error:  # type: ignore[misc]  # wrong in its stub
                raise Broken("It is not gzipped, or damaged.") from None
            total += len(out)
            if total > UNPACKED_MAX:
                raise Broken(f"It is larger than {UNPACKED_MAX} bytes when unpacked.")
            if out:
                yield out
            chunk = engine.unused_data if engine.eof else engine.unconsumed_tail
    if not engine.eof:
        raise Broken("It is not gzipped, or ends too early.")


_beginning = re.compile(rb'\s*\{\s*"Records"\s*:\s*\[')
_next_record = b',{"eventVersion":'


def read(packed: Callable[[int], bytes]) -> Iterator[Part]:
    """Yields the records of a gzipped log file, which `packed` reads as read() of a file does.

    Raises Broken, also after the last record: only the end shows that the file is whole.
    """
    stream = _unpacked(packed)
    rest = b""
    while len(rest) < 1024 and (chunk := next(stream, b"")):
        rest += chunk
    start = _beginning.match(rest)
    if not start:
        raise Broken("It has no list of records.")
    rest = rest[start.end() :]
    has_ended, enough, count = False, 0, 0
    while not has_ended:
        chunk = next(stream, b"")
        rest += chunk
        if chunk and len(rest) < enough:
            continue
        end = rest.rfind(_next_record if chunk else b"]")
        # A caller can send what looks like the beginning of a record. A text that is cut there has
        # brackets without their others, so it is not valid, and then each record is read alone.
        part = _at_once(memoryview(rest)[:end]) if end >= 0 else None
        if part:
            rest, has_ended, enough = rest[end + 1 :], not chunk, 0
        elif chunk and end < 0 and len(rest) < RECORD_MAX:
            continue
        else:
            part, rest, has_ended = _one_by_one(rest, is_last=not chunk)
            enough = 2 * len(rest)  # a long record is not read again with each chunk
        count += len(part.records) + part.unreadable
        if count > RECORDS_MAX:
            raise Broken(f"It has more than {RECORDS_MAX} records.")
        yield part
        del part, chunk  # the next ones use this memory, which is still in the cache
    for _ in stream:  # to its end
        pass


def _at_once(records: memoryview) -> Part | None:
    text = b"".join((b"[", records, b"]"))
    try:
        try:
            return Part(_records(text), text)
        except ValueError:  # a record has another form, or the text is cut inside of one
            return _each(map(bytes, _raws(text)))
    except (ValueError, RecursionError):
        return None


# What parts records, or a text, in which that means nothing. The last text may be cut.
_token = re.compile(rb'([][{},])|"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)


def _one_by_one(text: bytes, *, is_last: bool) -> tuple[Part, bytes, bool]:
    """Reads records of any form; slow. Returns them, the rest of the text, and whether the list has
    ended. Raises Broken."""
    texts = list[bytes]()
    begin, depth, has_ended = 0, 0, False
    for token in _token.finditer(text):
        sign = token[1]
        if not sign:
            continue
        if sign in b"[{":
            depth += 1
        elif depth:
            depth -= sign != b","
        else:
            if sign != b"}":
                texts.append(text[begin : token.start()])
                begin, has_ended = token.end(), sign == b"]"
            if sign != b",":
                break
    rest = text[begin:]
    if not has_ended and (is_last or len(rest) > 2 * RECORD_MAX):
        raise Broken("A record is not valid JSON or too long, or the list does not end.")
    if has_ended and not texts[-1].strip():  # the list is empty
        texts.pop()
    return _each(texts), rest, has_ended


def of(some: Iterable[Any]) -> Part:
    """Returns records that are not read from a file."""
    return _each(map(_text_of, some))


def _text_of(one: Any) -> bytes:
    try:
        return _encoded(one)
    except (ValueError, TypeError, RecursionError):
        return b"null"


def _each(some: Iterable[bytes]) -> Part:
    records, texts, unreadable = [], [], 0
    for text in some:
        try:
            record, read = _decoded(text, _record)
        except (ValueError, RecursionError):
            unreadable += 1
        else:
            records.append(record)
            texts.append(read)
    return Part(records, b"[%b]" % b",".join(texts), unreadable)


def _decoded(text: bytes, decoder: msgspec.json.Decoder[Any]) -> tuple[Any, bytes]:
    """Returns what a text says, also if it is no UTF-8 or has another form, and a text that says
    it. Raises Broken if it is no JSON, else ValueError or RecursionError if it cannot be read."""
    with suppress(ValueError):
        return decoder.decode(text), text
    try:
        value = _lenient.decode(text.decode(errors="replace"))
    except json.JSONDecodeError:
        raise Broken("A record is not valid JSON.") from None
    text = _encoded(_mended(value, _only(decoder.type)))
    return decoder.decode(text), text


def _number(text: str) -> float | None:
    """Returns a number, which can have any number of digits; None if it is too large."""
    if len(text) < 20 and text.lstrip("-").isdecimal():
        return int(text)
    return number if isfinite(number := float(text)) else None


_lenient = json.JSONDecoder(
    parse_float=_number, parse_int=_number, parse_constant=lambda name: None
)


def _encoded(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")  # half of a surrogate pair


def _mended(value: Any, kind: Any) -> Any:
    """Returns the value as its field needs it: a text of what is no text, else None."""
    if value is None or kind is Raw:
        return value
    if kind is str:
        return value if isinstance(value, str) else _encoded(value).decode()
    if kind is float:
        return value if type(value) in {int, float} else None
    if kind == list[Resource]:
        every = value if isinstance(value, list) else []
        return [_mended(one, Resource) for one in every if isinstance(one, dict)]
    if not isinstance(value, dict):
        return None
    kinds = _kinds(kind)
    return {
        name: _mended(one, kinds[name]) if name in kinds else one for name, one in value.items()
    }


@cache
def _kinds(struct: type[Struct]) -> dict[str, Any]:
    return {one.encode_name: _only(one.type) for one in msgspec.structs.fields(struct)}


def _only(kind: Any) -> Any:
    """Returns what a field can have beside None."""
    return kind if kind in {Raw, Record} else get_args(kind)[0]
