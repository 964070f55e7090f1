"""Counts the records of CloudTrail log files. Pure: no Django, no clock.

A log file is unpacked as a stream into a temporary file, which DuckDB reads once, only the columns
that count, and sums. So the memory does not grow with the file. Expressions on texts are slow, so
most of them work on the sums. What others can choose (names, keys, user agents) is cut, and the
number of rows is limited.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import duckdb

from detectors import queries
from detectors.bounds import ACCOUNT, ANONYMOUS, EARLY, LATE
from detectors.log_files import Broken, split, unpack_array, write
from detectors.queries import NO_CANARIES, Canaries

_MEMORY = "256MB"  # of DuckDB, which then uses the temporary folder


class Operation(StrEnum):
    """What a record did to a bucket. Each record has one; a copy also reads its source."""

    READ = "read"
    WRITE = "write"
    WRITE_SSE_C = "write_sse_c"  # with a key that only the caller has
    WRITE_FOREIGN_KMS = "write_foreign_kms"  # with a KMS key of another account
    WRITE_NOTE = "write_note"  # an object that is named like a ransom note
    WRITE_LOCKED = "write_locked"  # an object with an extension of known ransomware
    DELETE = "delete"
    DELETE_VERSION = "delete_version"
    DELETE_BATCH = "delete_batch"  # DeleteObjects, of up to 1000 objects
    LIST = "list"
    FAILED = "failed"  # such as AccessDenied
    CANARY = "canary"  # a key that nobody should use, whatever was done or tried
    OTHER = "other"  # any other use of an object of a canary bucket
    CHANGE = "change"  # of the settings of the bucket


class Tally(NamedTuple):
    """The sum of one operation of one actor on one bucket in SLOT seconds."""

    bucket: str
    principal: str  # an ARN, "service ...", "account ..." or "anonymous ..."
    source: str  # the address of an anonymous caller, else the network, VPC endpoint or service
    operation: str
    at: int  # seconds since 1970, a multiple of SLOT
    times: int
    bytes: int


def is_stranger(principal: str) -> bool:
    """Whether anybody can make any number of such principals."""
    return principal.startswith((ANONYMOUS, ACCOUNT))


class Facts(NamedTuple):
    """What the newest record says of an actor. Missing values are ""."""

    bucket: str
    principal: str
    source: str
    principal_type: str = ""
    principal_id: str = ""
    name: str = ""  # of the user or role
    account_id: str = ""
    access_key: str = ""
    address: str = ""
    user_agent: str = ""
    region: str = ""
    bucket_account: str = ""
    seen_at: int = 0


class Change(NamedTuple):
    """A change of the settings of a bucket."""

    bucket: str
    principal: str
    source: str
    at: int  # seconds since 1970
    name: str  # of the event
    bucket_account: str
    parameters: str  # JSON


@dataclass(frozen=True, slots=True)
class Counted:
    """What the records say of the registered buckets."""

    tallies: list[Tally]
    facts: list[Facts]
    examples: dict[tuple[str, str, str], list[str]]  # keys, by bucket, principal and operation
    changes: list[Change]
    late: dict[str, int]  # records by bucket that are not counted: a day late, or in the future
    read: int = 0  # records of registered buckets
    unreadable: int = 0


def count_file(
    packed: Callable[[int], bytes],
    buckets: Collection[str],
    *,
    now: int,
    canaries: Canaries = NO_CANARIES,
) -> Counted:
    """Counts the records of a gzipped log file, which `packed` reads as read() of a file does.

    `now` is in seconds since 1970. Raises Broken if it is not a log file.
    """
    with TemporaryDirectory() as folder:
        array = Path(folder) / "array"
        unpack_array(packed, array)
        try:
            with suppress(_NotOfOneForm):
                return _count(queries.ARRAY, array, buckets, now, canaries)
            lines = Path(folder) / "lines"
            unreadable = split(array, lines)
            return _count(queries.LINES, lines, buckets, now, canaries, unreadable=unreadable)
        except duckdb.Error as error:  # such a file must not stop the others
            raise Broken(f"It cannot be counted: {type(error).__name__}.") from None


def count_records(
    records: Iterable[Mapping[str, Any]],
    buckets: Collection[str],
    *,
    now: int,
    canaries: Canaries = NO_CANARIES,
) -> Counted:
    """Counts single records."""
    with TemporaryDirectory() as folder:
        lines = Path(folder) / "lines"
        unreadable = 0
        with lines.open("wb") as file:
            for record in records:
                unreadable += not write(record, file)
        return _count(queries.LINES, lines, buckets, now, canaries, unreadable=unreadable)


def names_any(record: Mapping[str, Any], buckets: Collection[str]) -> bool:
    """Whether a record may be of one of the buckets; cheap, for those that are not."""
    text = str(record.get("requestParameters")) + str(record.get("resources"))
    return any(bucket in text for bucket in buckets)


class _NotOfOneForm(Exception):
    """Not all records are objects of CloudTrail's form."""


def _count(
    form: queries.Form,
    path: Path,
    buckets: Collection[str],
    now: int,
    canaries: Canaries,
    *,
    unreadable: int = 0,
) -> Counted:
    """Counts the records in a file. Raises _NotOfOneForm if the form is strict and one of them is
    of another form."""
    with duckdb.connect(
        ":memory:",
        config={
            "memory_limit": _MEMORY,
            "temp_directory": str(path.parent),
            "threads": 1,  # a further worker makes better use of a further core
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,  # from elsewhere
            "autoload_known_extensions": False,
        },
    ) as engine:
        # It reads no other file.
        engine.execute(f"SET allowed_directories = ['{path.parent}']")
        engine.execute("SET enable_external_access = false")
        if not buckets or not path.stat().st_size:
            return Counted([], [], {}, [], {}, unreadable=unreadable)
        try:
            engine.execute(
                queries.with_canaries(queries.RECORDS, canaries).replace("$columns", form.columns),
                {"path": str(path), "buckets": sorted(buckets)} | canaries.parameters,
            )
        except duckdb.InvalidInputException:
            if form.is_strict:
                raise _NotOfOneForm from None
            raise
        oldest, newest = int(now) - LATE, int(now) + EARLY
        told = engine.execute(queries.TOLD, {"oldest": oldest, "newest": newest}).fetchall()
        if engine.execute(queries.REPEATED).fetchall() == [(True,)]:
            engine.execute(queries.FIRST_ONLY)
        engine.execute(
            queries.with_canaries(queries.CALLERS, canaries), {"oldest": oldest, "newest": newest}
        )
        engine.execute(queries.EVENTS)
        tallies = [Tally(*row) for row in engine.execute(queries.TALLIES).fetchall()]
        changes = []
        if any(one.operation == Operation.CHANGE for one in tallies):
            rows = engine.execute(queries.CHANGED.replace("$json", form.json), {"path": str(path)})
            changes = [Change(*row) for row in rows.fetchall()]
        return Counted(
            tallies=tallies,
            facts=[Facts(*row) for row in engine.execute(queries.FACTS).fetchall()],
            examples={row[:3]: row[3] for row in engine.execute(queries.EXAMPLE_KEYS).fetchall()},
            changes=changes,
            late={bucket: late for bucket, _, late, _ in told if late},
            read=sum(read for _, read, _, _ in told),
            unreadable=unreadable + sum(timeless for *_, timeless in told),
        )
