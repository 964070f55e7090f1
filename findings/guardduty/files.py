"""Reads findings from a file: JSON lines, JSON arrays, AWS CLI output or a GuardDuty S3 export.

The file can be gzip-compressed. It is streamed, so its size is not limited by memory.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import ijson

from findings.guardduty.parser import Unparsed, unwrap

MAX_FINDING = 1024 * 1024  # bytes, with its envelope, as in SQS; GuardDuty's have about 10 KiB
MAX_OPENED = 1000  # nested brackets in one finding
# A compressed file may unpack to MAX_RATIO times its size, or to ANY_RATIO bytes if that is more.
MAX_RATIO = 50
ANY_RATIO = 4 * 1024 * 1024  # bytes

Stream = io.BufferedReader | gzip.GzipFile

_BUFFER = 4 * 1024  # bytes; nesting that opens and closes within one buffer is not counted
_TOO_LONG = f"It is longer than {MAX_FINDING // 1024} KiB."
_GZIP = b"\x1f\x8b"
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+("|\\?\Z)', re.DOTALL)  # or the part of one in this buffer
_LIST = re.compile(rb'\{\s*"([Ff]indings)"\s*:\s*\[')


@dataclass(frozen=True, slots=True)
class Found:
    """A finding or a parse failure, and its position in the file."""

    place: str  # "line 7", or "item 7" if the document is not JSON lines
    finding: Mapping[str, Any] | Unparsed


def read_findings(stream: Stream) -> Iterator[Found]:
    """Yields the findings in the stream, in order, and an Unparsed for each failure.

    An invalid line of JSON lines is reported and skipped. Other documents end at the first invalid
    JSON, and every stream ends at a read error. Never raises for the content of the file.
    """
    place = "its beginning"
    try:
        if stream.peek(2).startswith(_GZIP):
            stream = _Unpacked(stream)
        start = stream.peek(64 * 1024).lstrip()
        for place, document in _lines(stream) if _is_lines(start) else _items(stream, start):
            if isinstance(document, Unparsed):
                yield Found(place, document)
            else:
                yield from (Found(place, finding) for finding in unwrap(document))
    except _TooMuch:
        yield Found(f"after {place}", Unparsed("It unpacks to too many times its size."))
    except (OSError, EOFError, zlib.error):
        yield Found(f"after {place}", Unparsed("It cannot be read. The rest is not read."))


class _TooMuch(Exception):
    """The compressed file unpacks to far more data than findings would."""


class _Packed(io.RawIOBase):
    """Counts the bytes read from a compressed file."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        data = self.stream.read(size)
        self.count += len(data)
        return data


class _Unpacked(gzip.GzipFile):
    """Unpacks a gzip file. Raises _TooMuch if it unpacks to too many times its size."""

    def __init__(self, stream: Stream) -> None:
        self.packed = _Packed(stream)
        super().__init__(fileobj=self.packed)

    def read(self, size: int | None = -1) -> bytes:
        self._insist()
        return super().read(size)

    def readline(self, size: int | None = -1) -> bytes:
        self._insist()
        return super().readline(size)

    def _insist(self) -> None:
        if self.tell() > max(ANY_RATIO, MAX_RATIO * self.packed.count):
            raise _TooMuch


class _Limited:
    """A stream for ijson that limits the size and nesting of each finding.

    Call `next` after each finding to reset the limits.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.begun = b""
        self.next()

    def next(self) -> None:
        self.left = MAX_FINDING + _BUFFER  # ijson reads ahead
        self.opened = 0  # brackets

    def read(self, size: int) -> bytes:
        if self.left <= 0:
            raise _TooLong
        data = self.stream.read(size)
        self.left -= len(data)
        # ijson keeps the whole path for each level, so memory grows with the depth squared.
        outside = self._outside_of_texts(data)
        self.opened += sum(map(outside.count, (b"[", b"{")))
        self.opened -= sum(map(outside.count, (b"]", b"}")))
        if self.opened > MAX_OPENED:
            raise RecursionError
        return data

    def _outside_of_texts(self, data: bytes) -> bytes:
        """Returns the data without strings, whose brackets do not count as nesting."""
        data = self.begun + data
        self.begun = b""  # the start of a string that continues in the next buffer
        for text in _TEXT.finditer(data):
            if text[1] != b'"':
                self.begun = b'"' + text[1]
        return _TEXT.sub(b"", data)


class _TooLong(Exception):
    """A finding exceeds MAX_FINDING."""


def _is_lines(start: bytes) -> bool:
    if start.startswith(b"[") or _LIST.match(start):
        return False
    first, _, rest = start.partition(b"\n")
    if rest.lstrip(b"\r\n").startswith(b"{"):
        return True
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return not start.startswith(b"{")
    return True


def _lines(stream: Stream) -> Iterator[tuple[str, Any]]:
    number = 0
    while line := stream.readline(MAX_FINDING):
        number += 1
        if len(line) == MAX_FINDING:
            yield f"line {number}", Unparsed(_TOO_LONG)
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_FINDING)
        elif line.strip():
            yield f"line {number}", _parsed(line)


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:  # includes a wrong encoding
        return Unparsed("It is not JSON.")
    except RecursionError:
        return Unparsed("It is nested too deeply.")


def _items(stream: Stream, start: bytes) -> Iterator[tuple[str, Any]]:
    listed = _LIST.match(start)
    prefix = f"{listed[1].decode()}.item" if listed else "item" if start.startswith(b"[") else ""
    number = 0
    limited = _Limited(stream)
    documents = ijson.items(limited, prefix, use_float=True, multiple_values=True, buf_size=_BUFFER)
    try:
        for document in documents:
            number += 1
            yield f"item {number}", document
            limited.next()
    except _TooLong:
        yield f"item {number + 1}", Unparsed(f"{_TOO_LONG} The rest is not read.")
    except RecursionError:
        yield f"item {number + 1}", Unparsed("It is nested too deeply. The rest is not read.")
    except (ijson.JSONError, ValueError):  # includes a number with too many digits
        yield f"item {number + 1}", Unparsed("It is not JSON. The rest is not read.")
