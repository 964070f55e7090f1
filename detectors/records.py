# ruff: noqa: S608  (the SQL is constant; only its parameters come from outside)
"""Counts the records of CloudTrail log files. Pure: no Django, no clock.

A log file is unpacked as a stream into a temporary file with one record a line, which DuckDB reads
and sums. So the memory does not grow with the file. What others can choose (names, keys, user
agents) is cut, and the number of rows is limited.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, NamedTuple

import duckdb

SLOT = 10  # seconds, the smallest interval of the sums
LATE = 24 * 60 * 60  # seconds after which a record is not counted
EARLY = 60 * 60  # seconds in the future up to which a record is counted

UNPACKED_MAX = 2**30  # bytes of a file
RECORD_MAX = 2**20  # bytes; CloudTrail's own limit is 256 KB
# Rows of one bucket in one slot of one file; the rest is counted for OTHERS. Strangers have a share
# of their own, so that they cannot hide what the account's own principals do.
ROWS_MAX = 200
ACTORS_MAX = 2000  # of one file whose particulars are told
CHANGES_MAX = 1000  # of the settings of buckets in one file
BYTES_MAX = 2**50  # of one row, so that no column overflows
PRINCIPAL_MAX_LENGTH = 256
SOURCE_MAX_LENGTH = 64
KEY_MAX_LENGTH = 256  # of an example
EXAMPLES = 5

OTHERS = "(others)"  # the principal of all that the limits leave without a row of their own
ANONYMOUS = "anonymous "  # and the address
ACCOUNT = "account "  # and the ID of another account, and of its principal
_CHUNK = 2**20
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
    CHANGE = "change"  # of the settings of the bucket


class Broken(Exception):
    """A file that can never be read. The text contains nothing from the file."""


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


def count_file(packed: Callable[[int], bytes], buckets: Collection[str], *, now: int) -> Counted:
    """Counts the records of a gzipped log file, which `packed` reads as read() of a file does.

    `now` is in seconds since 1970. Raises Broken if it is not a log file.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "unpacked"
        with path.open("wb") as unpacked:
            for chunk in _unpacked(packed):
                unpacked.write(chunk)
        lines = Path(folder) / "lines"
        with suppress(_NotOfOneForm):
            _split_fast(path, lines)
            return _count(lines, buckets, now, is_strict=True)
        unreadable = _split_exactly(path, lines)
        return _count(lines, buckets, now, is_strict=False, unreadable=unreadable)


def count_records(
    records: Iterable[Mapping[str, Any]], buckets: Collection[str], *, now: int
) -> Counted:
    """Counts single records."""
    with TemporaryDirectory() as folder:
        lines = Path(folder) / "lines"
        unreadable = 0
        with lines.open("wb") as file:
            for record in records:
                unreadable += not _write(record, file)
        return _count(lines, buckets, now, is_strict=False, unreadable=unreadable)


def names_any(record: Mapping[str, Any], buckets: Collection[str]) -> bool:
    """Whether a record may be of one of the buckets; cheap, for those that are not."""
    text = str(record.get("requestParameters")) + str(record.get("resources"))
    return any(bucket in text for bucket in buckets)


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


class _NotOfOneForm(Exception):
    """The fast way cannot split the file."""


_beginning = re.compile(rb'\{"Records":\[(\{"[A-Za-z]{1,40}":)')


def _split_fast(path: Path, lines: Path) -> None:
    """Writes each record on a line, if all records begin with the same field.

    Where a record ends and the next one begins, the text is `},{"eventVersion":`. It cannot be
    inside a string, which would escape the quotation marks. If it is inside an object, lines are
    no longer valid JSON, and DuckDB refuses the file. If all are valid, they are the records.
    """
    with path.open("rb") as file, lines.open("wb") as out:
        start = _beginning.match(file.read(64))
        if not start:
            raise _NotOfOneForm
        between = b"}," + start[1]
        apart = b"}\n" + start[1]
        file.seek(start.start(1))
        kept = b""
        while chunk := file.read(_CHUNK):
            text = (kept + chunk).replace(between, apart)
            kept = text[-len(between) :]
            out.write(text[: -len(between)])
        end = kept.rstrip()
        if not end.endswith(b"}]}"):
            raise _NotOfOneForm
        out.write(end[:-2] + b"\n")


_opening = re.compile(r'\s*\{\s*"Records"\s*:\s*\[\s*')
_separator = re.compile(r"\s*(,|\])\s*")


def _split_exactly(path: Path, lines: Path) -> int:
    """Writes each record on a line, whatever the file's form. Returns how many it cannot write.

    Raises Broken. It is slower than the fast way.
    """
    decoder = json.JSONDecoder(parse_constant=lambda name: None)
    unreadable = 0
    with path.open(encoding="utf-8", errors="replace") as file, lines.open("wb") as out:
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
            unreadable += not _write(record, out)
            separator = _separator.match(text, position)
            if not separator:
                raise Broken("Its list of records does not end.")
            position = separator.end()
            if separator[1] == "]":
                return unreadable


def _write(record: Any, out: IO[bytes]) -> bool:
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


_KMS = '"x-amz-server-side-encryption-aws-kms-key-id"'
_PATHS = {
    "service": "$.eventSource",
    "name": "$.eventName",
    "time": "$.eventTime",
    "event_id": "$.eventID",
    "error": "$.errorCode",
    "address": "$.sourceIPAddress",
    "agent": "$.userAgent",
    "endpoint": "$.vpcEndpointId",
    "region": "$.awsRegion",
    "recipient": "$.recipientAccountId",
    "id_type": "$.userIdentity.type",
    "id_arn": "$.userIdentity.arn",
    "id_account": "$.userIdentity.accountId",
    "id_principal": "$.userIdentity.principalId",
    "id_key": "$.userIdentity.accessKeyId",
    "id_user": "$.userIdentity.userName",
    "id_invoker": "$.userIdentity.invokedBy",
    "issuer_arn": "$.userIdentity.sessionContext.sessionIssuer.arn",
    "issuer_name": "$.userIdentity.sessionContext.sessionIssuer.userName",
    "bucket_named": "$.requestParameters.bucketName",
    "key": "$.requestParameters.key",
    "copied": '$.requestParameters."x-amz-copy-source"',
    "sse_c": '$.requestParameters."x-amz-server-side-encryption-customer-algorithm"',
    "kms_asked": f"$.requestParameters.{_KMS}",
    "kms_used": f"$.responseElements.{_KMS}",
    "version": "$.requestParameters.versionId",
    "bytes_in": "$.additionalEventData.bytesTransferredIn",
    "bytes_out": "$.additionalEventData.bytesTransferredOut",
    "parameters": "$.requestParameters",
    **{
        f"{name}_{number}": f"$.resources[{number}].{of}"
        for number in range(4)
        for name, of in (("arn", "ARN"), ("owner", "accountId"))
    },
}

_READS = ("GetObject", "SelectObjectContent")
_COPIES = ("CopyObject", "UploadPartCopy")
_WRITES = ("PutObject", "CopyObject", "CompleteMultipartUpload", "RestoreObject")
_LISTS = (
    "ListObjects",
    "ListObjectsV2",
    "ListObjectVersions",
    "HeadObject",
    "GetObjectAttributes",
)
_CHANGES = (
    "PutBucketVersioning",
    "PutBucketLifecycle",
    "PutBucketLifecycleConfiguration",
    "PutBucketPolicy",
    "DeleteBucketPolicy",
    "PutBucketEncryption",
    "PutObjectLockConfiguration",
    "PutBucketReplication",
    "PutBucketAcl",
    "DeletePublicAccessBlock",
    "DeleteBucketPublicAccessBlock",
)
_COUNTED = (
    *_READS,
    *_COPIES,
    *_WRITES,
    *_LISTS,
    *_CHANGES,
    "CreateMultipartUpload",
    "DeleteObject",
    "DeleteObjects",
)
_NOTE = (
    r"(^|/)[^/]*(ransom|decrypt|how[_ -]?to[_ -]?(restore|recover|unlock|get)|recover[_ -]"
    r"(your[_ -])?files|your[_ -]files|warning[_ -]?read|read[_ -]?me[_ -]?now)[^/]*"
    r"\.(txt|html?|hta|md|rtf|pdf)$"
)
_LOCKED = (
    r"\.(locked|lock|encrypted|enc|crypt|crypted|crypto|cry|ransom|lockbit|akira|ryuk|conti|hive"
    r"|wncry|phobos|makop|blackcat|codefinger)$"
)


def _any_of(names: Iterable[str]) -> str:
    return "(" + ", ".join(f"'{name}'" for name in names) + ")"


def _cut(expression: str, length: int) -> str:
    # PostgreSQL stores no NUL.
    return f"coalesce(left(replace({expression}, chr(0), ''), {length}), '')"


def _of_the_bucket(wanted: str) -> str:
    """Returns an expression of the resource that is a bucket: "arn:aws:s3:::name"."""
    cases = (
        f"WHEN starts_with(arn_{n}, 'arn:aws') AND contains(arn_{n}, ':s3:::')"
        f" AND NOT contains(arn_{n}, '/') THEN {wanted.format(n)}"
        for n in range(4)
    )
    return f"CASE {' '.join(cases)} END"


# A table of its own: in one query with the next, DuckDB would extract the texts for each use.
_TEXTS = f"""
CREATE TEMP TABLE texts AS
SELECT json_extract_string(json, $paths) AS v
FROM read_ndjson_objects($lines, maximum_object_size = {4 * RECORD_MAX}, ignore_errors = $ignores)
WHERE regexp_matches(json, $any_bucket)
"""
_RECORDS = f"""
CREATE TEMP TABLE records AS
WITH named_texts AS NOT MATERIALIZED (
    SELECT {", ".join(f"v[{n}] AS {name}" for n, name in enumerate(_PATHS, start=1))} FROM texts
), named AS NOT MATERIALIZED (
    SELECT *,
        CASE WHEN list_contains($buckets, bucket_named) THEN bucket_named
             ELSE {_of_the_bucket("split_part(arn_{}, ':::', 2)")} END AS bucket,
        -- CopyObject encodes it: "/bucket/key%20with%20spaces".
        CASE WHEN name IN {_any_of(_COPIES)}
             THEN split_part(ltrim(copied, '/'), '/', 1) END AS copied_from
    FROM named_texts
    WHERE service = 's3.amazonaws.com' AND name IN {_any_of(_COUNTED)}
), ours AS NOT MATERIALIZED (
    SELECT *,
        {_of_the_bucket("owner_{}")} AS owner,
        epoch(try_cast(replace(CASE WHEN regexp_full_match(time,
            '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9:.]{{8,15}}Z') THEN time END,
            ':60Z', ':59Z') AS TIMESTAMP))::BIGINT AS t
    FROM named
    WHERE list_contains($buckets, bucket) OR list_contains($buckets, copied_from)
)
SELECT
    bucket, t, name, owner, error IS NOT NULL AS is_error, left(event_id, 64) AS event_id,
    CASE WHEN name IN {_any_of(_CHANGES)} THEN left(parameters, 65536) END AS parameters,
    CASE WHEN list_contains($buckets, copied_from) THEN copied_from END AS copied_from,
    coalesce(list_contains($buckets, bucket), false)
        -- The trail of the caller's account has it too, with another event ID.
        AND coalesce(recipient = owner, true) AS is_ours,
    {_cut("key", KEY_MAX_LENGTH)} AS key,
    regexp_matches(lower(right(key, 128)), '{_NOTE}') AS is_note,
    regexp_matches(lower(right(key, 16)), '{_LOCKED}') AS is_locked,
    sse_c IS NOT NULL AS is_sse_c, version IS NOT NULL AS is_version,
    left(coalesce(kms_used, kms_asked), 128) AS kms,
    least(greatest(try_cast(bytes_in AS DOUBLE), 0), 1e13)::BIGINT AS bytes_in,
    least(greatest(try_cast(bytes_out AS DOUBLE), 0), 1e13)::BIGINT AS bytes_out,
    {_cut("id_type", 32)} AS id_type, {_cut("id_principal", 128)} AS id_principal,
    {_cut("coalesce(issuer_name, id_user)", 128)} AS id_name,
    {_cut("id_account", 16)} AS id_account, {_cut("id_key", 128)} AS id_key,
    {_cut("address", SOURCE_MAX_LENGTH)} AS address, {_cut("agent", 256)} AS agent,
    {_cut("region", 32)} AS region,
    CASE
        WHEN id_account = 'anonymous' OR id_type = 'Anonymous' THEN
            '{ANONYMOUS}' || {_cut("address", SOURCE_MAX_LENGTH)}
        WHEN id_type = 'AWSService' THEN
            'service ' || {_cut("coalesce(id_invoker, id_principal, '?')", 200)}
        WHEN id_type = 'AWSAccount' THEN '{ACCOUNT}' || {_cut("id_account", 16)} || ' '
            || {_cut("split_part(coalesce(id_principal, ''), ':', 1)", 128)}
        -- The role and not its session, of which there can be any number.
        WHEN issuer_arn <> '' THEN {_cut("issuer_arn", PRINCIPAL_MAX_LENGTH)}
        WHEN id_type = 'AssumedRole' THEN
            {_cut("regexp_replace(coalesce(id_arn, '?'), '/[^/]*$', '')", PRINCIPAL_MAX_LENGTH)}
        ELSE {_cut("coalesce(id_arn, split_part(id_principal, ':', 1), '?')", PRINCIPAL_MAX_LENGTH)}
    END AS principal,
    CASE
        WHEN regexp_full_match(endpoint, 'vpce-[0-9a-z]{{8,32}}') THEN endpoint
        WHEN id_account = 'anonymous' OR id_type = 'Anonymous' THEN
            {_cut("address", SOURCE_MAX_LENGTH)}
        WHEN regexp_full_match(address, '[0-9]{{1,3}}([.][0-9]{{1,3}}){{3}}') THEN
            regexp_replace(address, '[0-9]+$', '0/24')
        WHEN regexp_full_match(address, '[0-9a-fA-F:.]{{2,45}}') AND contains(address, ':') THEN
            rtrim(lower(array_to_string(string_split(address, ':')[:3], ':')), ':') || '::/48'
        ELSE {_cut("lower(address)", SOURCE_MAX_LENGTH)}
    END AS source
FROM ours
"""
_EVENTS = f"""
CREATE TEMP TABLE events AS
WITH once AS (
    SELECT * FROM records
    WHERE event_id IS NULL
        OR rowid IN (SELECT min(rowid) FROM records WHERE event_id IS NOT NULL GROUP BY event_id)
)
SELECT * EXCLUDE (copied_from),
    CASE
        WHEN is_error THEN 'failed'
        WHEN name IN {_any_of(_READS)} THEN 'read'
        WHEN (name IN {_any_of(_WRITES)} OR name = 'CreateMultipartUpload')
             AND is_sse_c THEN 'write_sse_c'
        WHEN (name IN {_any_of(_WRITES)} OR name = 'CreateMultipartUpload')
             AND regexp_matches(kms, '^arn:aws[a-z-]*:kms:[a-z0-9-]*:[0-9]{{12}}:')
             AND split_part(kms, ':', 5) <> owner THEN 'write_foreign_kms'
        WHEN name IN {_any_of(_WRITES)} AND is_note THEN 'write_note'
        WHEN name IN {_any_of(_WRITES)} AND is_locked THEN 'write_locked'
        WHEN name IN {_any_of(_WRITES)} THEN 'write'
        WHEN name = 'DeleteObject' AND is_version THEN 'delete_version'
        WHEN name = 'DeleteObject' THEN 'delete'
        WHEN name = 'DeleteObjects' THEN 'delete_batch'
        WHEN name IN {_any_of(_LISTS)} THEN 'list'
        WHEN name IN {_any_of(_CHANGES)} THEN 'change'
    END AS operation,
    CASE WHEN name IN {_any_of(_READS)} THEN bytes_out ELSE bytes_in END AS bytes
FROM once
WHERE is_ours AND t BETWEEN $oldest AND $newest
UNION ALL
SELECT * EXCLUDE (copied_from) REPLACE (copied_from AS bucket, '' AS owner),
    CASE WHEN is_error THEN 'failed' ELSE 'read' END, 0
FROM once
WHERE copied_from IS NOT NULL AND t BETWEEN $oldest AND $newest
"""
_TALLIES = f"""
WITH sums AS (
    SELECT bucket, principal, source, operation, t - t % {SLOT} AS slot,
        count(*) AS n, least(sum(coalesce(bytes, 0)), {BYTES_MAX})::BIGINT AS bytes
    FROM events WHERE operation IS NOT NULL GROUP BY ALL
), ranked AS (
    SELECT *, row_number() OVER (
        PARTITION BY bucket, slot,
            starts_with(principal, '{ANONYMOUS}') OR starts_with(principal, '{ACCOUNT}')
        ORDER BY n DESC, principal, source, operation
    ) > {ROWS_MAX} AS is_over
    FROM sums
)
SELECT bucket, CASE WHEN is_over THEN '{OTHERS}' ELSE principal END,
    CASE WHEN is_over THEN '' ELSE source END, operation, slot,
    sum(n)::BIGINT, least(sum(bytes), {BYTES_MAX})::BIGINT
FROM ranked GROUP BY ALL ORDER BY ALL
"""
_newest = ", ".join(
    f"arg_max({name}, t)"
    for name in (
        "id_type",
        "id_principal",
        "id_name",
        "id_account",
        "id_key",
        "address",
        "agent",
        "region",
        "coalesce(owner, '')",
    )
)
_FACTS = f"""
SELECT bucket, principal, source, {_newest}, max(t)
FROM events WHERE operation IS NOT NULL
GROUP BY bucket, principal, source ORDER BY count(*) DESC, bucket, principal, source
LIMIT {ACTORS_MAX}
"""
_EXAMPLES = f"""
SELECT bucket, principal, operation, min(key, {EXAMPLES})
FROM events WHERE key <> '' AND operation IS NOT NULL
GROUP BY bucket, principal, operation ORDER BY count(*) DESC, bucket, principal, operation
LIMIT {ACTORS_MAX}
"""
_CHANGED = f"""
SELECT bucket, principal, source, max(t), name, coalesce(owner, ''), parameters
FROM events WHERE operation = 'change' GROUP BY ALL ORDER BY max(t) DESC, name LIMIT {CHANGES_MAX}
"""
_TOLD = """
SELECT bucket, count(*), count(*) FILTER (NOT t BETWEEN $oldest AND $newest),
    count(*) FILTER (t IS NULL)
FROM records WHERE is_ours GROUP BY bucket
"""


def _count(
    lines: Path, buckets: Collection[str], now: int, *, is_strict: bool, unreadable: int = 0
) -> Counted:
    """Counts the records in a file with one on each line. If `is_strict`, raises _NotOfOneForm if
    one is not valid JSON; else leaves it out."""
    with duckdb.connect(
        ":memory:",
        config={
            "memory_limit": _MEMORY,
            "temp_directory": str(lines.parent),
            "threads": 2,
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,  # from elsewhere
            "autoload_known_extensions": False,
        },
    ) as engine:
        # It reads no other file.
        engine.execute(f"SET allowed_directories = ['{lines.parent}']")
        engine.execute("SET enable_external_access = false")
        if not buckets or not lines.stat().st_size:
            return Counted([], [], {}, [], {}, unreadable=unreadable)
        try:
            engine.execute(
                _TEXTS.replace("$ignores", "false" if is_strict else "true"),
                {
                    "paths": list(_PATHS.values()),
                    "lines": str(lines),
                    "any_bucket": "|".join(map(re.escape, sorted(buckets))),
                },
            )
        except duckdb.InvalidInputException:
            if is_strict:
                raise _NotOfOneForm from None
            raise
        engine.execute(_RECORDS, {"buckets": sorted(buckets)})
        oldest, newest = int(now) - LATE, int(now) + EARLY
        engine.execute(_EVENTS.replace("$oldest", str(oldest)).replace("$newest", str(newest)))
        told = engine.execute(_TOLD, {"oldest": oldest, "newest": newest}).fetchall()
        return Counted(
            tallies=[Tally(*row) for row in engine.execute(_TALLIES).fetchall()],
            facts=[Facts(*row) for row in engine.execute(_FACTS).fetchall()],
            examples={row[:3]: row[3] for row in engine.execute(_EXAMPLES).fetchall()},
            changes=[Change(*row) for row in engine.execute(_CHANGED).fetchall()],
            late={bucket: late for bucket, _, late, _ in told if late},
            read=sum(read for _, read, _, _ in told),
            unreadable=unreadable + sum(timeless for *_, timeless in told),
        )
