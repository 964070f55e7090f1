"""The findings in a file: JSON lines, arrays, what the AWS command line prints, an export to S3.

It may be compressed, and is read as a stream, however long it is.
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

from findings.reading import NotUnderstood, findings_in

MAX_LINE = 16 * 1024 * 1024  # bytes; GuardDuty's findings have some 10 KiB

Stream = io.BufferedReader | gzip.GzipFile

_GZIP = b"\x1f\x8b"
_LIST = re.compile(rb'\{\s*"([Ff]indings)"\s*:\s*\[')


@dataclass(frozen=True, slots=True)
class Found:
    """A finding, or why there is none to be read, and where it stands."""

    place: str  # "line 7", or "item 7" of a document that is not made of lines
    finding: Mapping[str, Any] | NotUnderstood


def read_findings(stream: Stream) -> Iterator[Found]:
    """Everything in the stream, in its order. Of lines, one that is no JSON is told and the next is
    read; any other document ends where it is no JSON, and each where it cannot be read."""
    place = "its beginning"
    try:
        if stream.peek(2).startswith(_GZIP):
            stream = gzip.GzipFile(fileobj=stream)
        start = stream.peek(64 * 1024).lstrip()
        for place, document in _lines(stream) if _is_lines(start) else _items(stream, start):
            if isinstance(document, NotUnderstood):
                yield Found(place, document)
            else:
                yield from (Found(place, finding) for finding in findings_in(document))
    except (OSError, EOFError, zlib.error):
        yield Found(f"after {place}", NotUnderstood("From here on it cannot be read."))


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
    while line := stream.readline(MAX_LINE):
        number += 1
        if len(line) == MAX_LINE:
            yield f"line {number}", NotUnderstood("It is too long.")
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_LINE)
        elif line.strip():
            yield f"line {number}", _parsed(line)


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:  # a wrong encoding too
        return NotUnderstood("It is not JSON.")
    except RecursionError:
        return NotUnderstood("It is nested too deeply.")


def _items(stream: Stream, start: bytes) -> Iterator[tuple[str, Any]]:
    listed = _LIST.match(start)
    prefix = f"{listed[1].decode()}.item" if listed else "item" if start.startswith(b"[") else ""
    number = 0
    try:
        for document in ijson.items(stream, prefix, use_float=True, multiple_values=True):
            number += 1
            yield f"item {number}", document
    except (ijson.JSONError, RecursionError):
        yield f"item {number + 1}", NotUnderstood("From here on it is not JSON.")
