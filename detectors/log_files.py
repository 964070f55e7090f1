"""Unpacks log files of CloudTrail, with bounds, into files that DuckDB reads. No Django."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

UNPACKED_MAX = 2**30  # bytes of a file
RECORD_MAX = 2**20  # bytes; CloudTrail's own limit is 256 KB
_CHUNK = 2**20


class Broken(Exception):
    """A file that can never be read. The text contains nothing from the file."""


def _unpacked(packed: Callable[[int], bytes]) -> Iterator[bytes]:
    total = 0
    engine = zlib.decompressobj(wbits=31)
    while chunk := packed(_CHUNK):
        while chunk:
            if engine.eof:
                if not chunk.strip(b"\0"):  # padding
                    break
                engine = zlib.decompressobj(wbits=31)
            try:
                out = engine.decompress(chunk, _CHUNK)
            except zlib.error:
                raise Broken("It is not gzipped, or damaged.") from None
            total += len(out)
            if total > UNPACKED_MAX:
                raise Broken(f"It is larger than {UNPACKED_MAX} bytes when unpacked.")
            yield out
            chunk = engine.unused_data if engine.eof else engine.unconsumed_tail
    if not engine.eof:
        raise Broken("It ends too early.")


_beginning = re.compile(rb'\s*\{\s*"Records"\s*:\s*(?=\[)')


def unpack_array(packed: Callable[[int], bytes], path: Path) -> None:
    """Writes the unpacked file without what is around the array of records."""
    with path.open("w+b") as file:
        for chunk in _unpacked(packed):
            file.write(chunk)
        size = file.tell()
        file.seek(0)
        start = _beginning.match(file.read(1024))
        if not start:
            raise Broken("It has no list of records.")
        file.seek(0)
        file.write(b" " * start.end())
        file.seek(max(size - 1024, 0))
        end = file.read()
        if end.rstrip().endswith(b"}"):
            file.truncate(size - len(end) + end.rindex(b"}"))


_opening = re.compile(r"\s*\[\s*")
_separator = re.compile(r"\s*(,|\])\s*")


def split(array: Path, lines: Path) -> int:
    """Writes each record on a line, whatever its form. Returns how many it cannot write.

    Raises Broken. It is slow.
    """
    decoder = json.JSONDecoder(parse_constant=lambda name: None)
    unreadable = 0
    with array.open(encoding="utf-8", errors="replace") as file, lines.open("wb") as out:
        text, position = file.read(2 * RECORD_MAX), 0
        opening = _opening.match(text)
        if not opening:
            raise Broken("It has no list of records.")
        position = opening.end()
        if text[position : position + 1] == "]":
            return 0
        while True:
            if len(text) - position < RECORD_MAX + 64:
                text, position = text[position:] + file.read(4 * RECORD_MAX), 0
            try:
                record, position = decoder.raw_decode(text, position)
            except (ValueError, RecursionError):
                raise Broken("A record is not valid JSON, or too long or too deep.") from None
            unreadable += not write(record, out)
            separator = _separator.match(text, position)
            if not separator:
                raise Broken("Its list of records does not end.")
            position = separator.end()
            if separator[1] == "]":
                return unreadable


def write(record: Any, out: IO[bytes]) -> bool:
    """Writes a record as a line. Returns False if it cannot be written."""
    if not isinstance(record, Mapping):
        return False
    try:
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    except (ValueError, TypeError, RecursionError):
        return False
    line = text.encode("utf-8", "replace")  # half of a surrogate pair
    if len(line) > 2 * RECORD_MAX:
        return False
    out.write(line + b"\n")
    return True
