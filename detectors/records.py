# ruff: noqa: S608  (the SQL is constant; only its parameters come from outside)
"""Counts the records of CloudTrail log files. Pure: no Django, no clock.

A log file is unpacked as a stream into a temporary file, which DuckDB reads once, only the columns
that count, and sums. So the memory does not grow with the file. Expressions on texts are slow, so
most of them work on the sums. What others can choose (names, keys, user agents) is cut, and the
number of rows is limited.
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
        array = Path(folder) / "array"
        _unpack_array(packed, array)
        with suppress(_NotOfOneForm):
            return _count(_ARRAY, array, buckets, now)
        lines = Path(folder) / "lines"
        unreadable = _split(array, lines)
        return _count(_LINES, lines, buckets, now, unreadable=unreadable)


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
        return _count(_LINES, lines, buckets, now, unreadable=unreadable)


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
    """Not all records are objects of CloudTrail's form."""


_beginning = re.compile(rb'\s*\{\s*"Records"\s*:\s*(?=\[)')


def _unpack_array(packed: Callable[[int], bytes], path: Path) -> None:
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


def _split(array: Path, lines: Path) -> int:
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


_KMS = "x-amz-server-side-encryption-aws-kms-key-id"
_COLUMNS: dict[str, Any] = {
    "eventSource": "VARCHAR",
    "eventName": "VARCHAR",
    "eventTime": "VARCHAR",
    "eventID": "VARCHAR",
    "errorCode": "VARCHAR",
    "sourceIPAddress": "VARCHAR",
    "userAgent": "VARCHAR",
    "vpcEndpointId": "VARCHAR",
    "awsRegion": "VARCHAR",
    "recipientAccountId": "VARCHAR",
    "userIdentity": {
        "type": "VARCHAR",
        "arn": "VARCHAR",
        "accountId": "VARCHAR",
        "principalId": "VARCHAR",
        "accessKeyId": "VARCHAR",
        "userName": "VARCHAR",
        "invokedBy": "VARCHAR",
        "sessionContext": {"sessionIssuer": {"arn": "VARCHAR", "userName": "VARCHAR"}},
    },
    "requestParameters": {
        "bucketName": "VARCHAR",
        "key": "VARCHAR",
        "x-amz-copy-source": "VARCHAR",
        "x-amz-server-side-encryption-customer-algorithm": "VARCHAR",
        _KMS: "VARCHAR",
        "versionId": "VARCHAR",
    },
    "responseElements": {_KMS: "VARCHAR"},
    "additionalEventData": {"bytesTransferredIn": "DOUBLE", "bytesTransferredOut": "DOUBLE"},
    "resources": [{"ARN": "VARCHAR", "accountId": "VARCHAR"}],
}


def _type(of: Any) -> str:
    """Returns the type of a column in SQL."""
    if isinstance(of, dict):
        fields = (f'"{name}" {_type(one)}' for name, one in of.items())
        return f"STRUCT({', '.join(fields)})"
    if isinstance(of, list):
        return f"{_type(of[0])}[]"
    return str(of)


class _Form(NamedTuple):
    """How DuckDB reads the records of a file."""

    columns: str
    json: str
    is_strict: bool


_LIMIT = f"maximum_object_size = {4 * RECORD_MAX}"
_TYPES = ", ".join(f"{name}: '{_type(of)}'" for name, of in _COLUMNS.items())
_OBJECTS = f"read_ndjson_objects($path, ignore_errors = true, {_LIMIT})"
# Raises an error if one record is of another form.
_ARRAY = _Form(
    f"SELECT * FROM read_json($path, format = 'array', {_LIMIT}, columns = {{{_TYPES}}})",
    f"read_json_objects($path, format = 'array', {_LIMIT})",
    is_strict=True,
)
# What is of another form is NULL.
_LINES = _Form(
    f"SELECT unnest(json_transform(json, '{json.dumps(_COLUMNS)}')) FROM {_OBJECTS}",
    _OBJECTS,
    is_strict=False,
)

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


def _left(expression: str, length: int) -> str:
    # left() of each text, also of the short ones, takes twice as long.
    cut = f"left({expression}, {length})"
    return f"CASE WHEN strlen({expression}) > {length} THEN {cut} ELSE {expression} END"


def _of_the_bucket(wanted: str) -> str:
    """Returns an expression of the resource that is a bucket: "arn:aws:s3:::name"."""
    cases = (
        f"WHEN starts_with({one}.ARN, 'arn:aws') AND contains({one}.ARN, ':s3:::')"
        f" AND NOT contains({one}.ARN, '/') THEN {wanted.format(one)}"
        for one in (f"resources[{n}]" for n in range(1, 5))
    )
    return f"CASE {' '.join(cases)} END"


# What is said of the caller, as it is in the record but for its length.
_CALLER = {
    "id_type": ("userIdentity.type", 32),
    "id_arn": ("userIdentity.arn", 2048),
    "id_account": ("userIdentity.accountId", 128),
    "id_principal": ("userIdentity.principalId", 512),
    "id_key": ("userIdentity.accessKeyId", 128),
    "id_user": ("userIdentity.userName", 128),
    "id_invoker": ("userIdentity.invokedBy", 256),
    "issuer_arn": ("userIdentity.sessionContext.sessionIssuer.arn", 2048),
    "issuer_name": ("userIdentity.sessionContext.sessionIssuer.userName", 128),
    "address": ("sourceIPAddress", 256),
    "agent": ("userAgent", 256),
    "endpoint": ("vpcEndpointId", 64),
    "region": ("awsRegion", 32),
}
_who = f"""
    CASE
        WHEN id_account = 'anonymous' OR id_type = 'Anonymous' THEN
            '{ANONYMOUS}' || {_cut("address", SOURCE_MAX_LENGTH)}
        WHEN id_type = 'AWSService' THEN
            'service ' || left(coalesce(id_invoker, id_principal, '?'), 200)
        WHEN id_type = 'AWSAccount' THEN '{ACCOUNT}' || {_cut("id_account", 16)} || ' '
            || left(split_part(coalesce(id_principal, ''), ':', 1), 128)
        -- The role and not its session, of which there can be any number.
        WHEN issuer_arn <> '' THEN issuer_arn
        WHEN id_type = 'AssumedRole' THEN regexp_replace(coalesce(id_arn, '?'), '/[^/]*$', '')
        ELSE coalesce(id_arn, split_part(id_principal, ':', 1), '?')
    END
"""
_RECORDS = f"""
CREATE TEMP TABLE records AS
WITH named AS NOT MATERIALIZED (
    SELECT *,
        CASE WHEN list_contains($buckets, requestParameters.bucketName)
             THEN requestParameters.bucketName
             ELSE {_of_the_bucket("split_part({}.ARN, ':::', 2)")} END AS bucket,
        -- CopyObject encodes it: "/bucket/key%20with%20spaces".
        CASE WHEN eventName IN {_any_of(_COPIES)} THEN
            split_part(ltrim(requestParameters."x-amz-copy-source", '/'), '/', 1) END AS copied_from
    FROM ($columns)
    WHERE eventSource = 's3.amazonaws.com' AND eventName IN {_any_of(_COUNTED)}
)
SELECT
    bucket, eventName AS name, {_of_the_bucket("{}.accountId")} AS owner,
    errorCode IS NOT NULL AS is_error, {_left("eventID", 64)} AS event_id,
    CASE WHEN list_contains($buckets, copied_from) THEN copied_from END AS copied_from,
    coalesce(list_contains($buckets, bucket), false)
        -- The trail of the caller's account has it too, with another event ID.
        AND coalesce(recipientAccountId = owner, true) AS is_ours,
    epoch(coalesce(
        try_cast(CASE WHEN eventTime LIKE '____-__-__T__:__:__Z' THEN eventTime END AS TIMESTAMP),
        try_cast(replace(CASE WHEN regexp_full_match(eventTime,
            '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9:.]{{8,15}}Z') THEN eventTime END,
            ':60Z', ':59Z') AS TIMESTAMP)))::BIGINT AS t,
    requestParameters.key AS key,
    requestParameters."x-amz-server-side-encryption-customer-algorithm" IS NOT NULL AS is_sse_c,
    requestParameters.versionId IS NOT NULL AS is_version,
    left(coalesce(responseElements."{_KMS}", requestParameters."{_KMS}"), 128) AS kms,
    least(greatest(CASE WHEN eventName IN {_any_of(_READS)}
        THEN additionalEventData.bytesTransferredOut
        ELSE additionalEventData.bytesTransferredIn END, 0), 1e13)::BIGINT AS bytes,
    {", ".join(f"{_left(of, length)} AS {name}" for name, (of, length) in _CALLER.items())}
FROM named
WHERE list_contains($buckets, bucket) OR list_contains($buckets, copied_from)
"""
_REPEATED = "SELECT count(event_id) > count(DISTINCT event_id) FROM records"
_FIRST_ONLY = """
DELETE FROM records WHERE event_id IS NOT NULL
AND rowid NOT IN (SELECT min(rowid) FROM records WHERE event_id IS NOT NULL GROUP BY event_id)
"""
# Sums by what the records say of the caller, so that the texts are cut once for each of them.
_CALLERS = f"""
CREATE TEMP TABLE callers AS
WITH events AS NOT MATERIALIZED (
    SELECT rowid AS id, bucket, name, event_id, t, key, bytes, address, endpoint, {_who} AS who,
        CASE
            WHEN is_error THEN 'failed'
            WHEN name IN {_any_of(_READS)} THEN 'read'
            WHEN name IN {_any_of(_WRITES)} OR name = 'CreateMultipartUpload' THEN CASE
                WHEN is_sse_c THEN 'write_sse_c'
                WHEN regexp_matches(kms, '^arn:aws[a-z-]*:kms:[a-z0-9-]*:[0-9]{{12}}:')
                     AND split_part(kms, ':', 5) <> owner THEN 'write_foreign_kms'
                WHEN name = 'CreateMultipartUpload' THEN NULL
                WHEN regexp_matches(lower(right(key, 128)), '{_NOTE}') THEN 'write_note'
                WHEN regexp_matches(lower(right(key, 16)), '{_LOCKED}') THEN 'write_locked'
                ELSE 'write' END
            WHEN name = 'DeleteObject' AND is_version THEN 'delete_version'
            WHEN name = 'DeleteObject' THEN 'delete'
            WHEN name = 'DeleteObjects' THEN 'delete_batch'
            WHEN name IN {_any_of(_LISTS)} THEN 'list'
            WHEN name IN {_any_of(_CHANGES)} THEN 'change'
        END AS operation
    FROM records
    WHERE is_ours AND t BETWEEN $oldest AND $newest
    UNION ALL
    SELECT rowid, copied_from, name, event_id, t, key, 0, address, endpoint, {_who},
        CASE WHEN is_error THEN 'failed' ELSE 'read' END
    FROM records
    WHERE copied_from IS NOT NULL AND t BETWEEN $oldest AND $newest
)
SELECT bucket, who, address, endpoint, operation, t - t % {SLOT} AS slot,
    -- Each change has a row of its own.
    CASE WHEN operation = 'change' THEN name END AS changed,
    CASE WHEN operation = 'change' THEN event_id END AS change_id,
    count(*) AS n, sum(coalesce(bytes, 0)) AS bytes, max(t) AS t, arg_max(id, t) AS newest,
    min(left(key, {KEY_MAX_LENGTH}), {EXAMPLES}) FILTER (key <> '') AS keys
FROM events WHERE operation IS NOT NULL GROUP BY ALL
"""
_EVENTS = f"""
CREATE TEMP TABLE events AS
SELECT bucket, operation, slot, changed, change_id, n, bytes, t, newest, keys,
    {_cut("who", PRINCIPAL_MAX_LENGTH)} AS principal,
    CASE
        WHEN regexp_full_match(endpoint, 'vpce-[0-9a-z]{{8,32}}') THEN endpoint
        WHEN starts_with(who, '{ANONYMOUS}') THEN {_cut("address", SOURCE_MAX_LENGTH)}
        WHEN regexp_full_match(address, '[0-9]{{1,3}}([.][0-9]{{1,3}}){{3}}') THEN
            regexp_replace(address, '[0-9]+$', '0/24')
        WHEN regexp_full_match(address, '[0-9a-fA-F:.]{{2,45}}') AND contains(address, ':') THEN
            rtrim(lower(array_to_string(string_split(address, ':')[:3], ':')), ':') || '::/48'
        ELSE {_cut("lower(address)", SOURCE_MAX_LENGTH)}
    END AS source
FROM callers
"""
_TALLIES = f"""
WITH sums AS (
    SELECT bucket, principal, source, operation, slot,
        sum(n) AS n, least(sum(bytes), {BYTES_MAX})::BIGINT AS bytes
    FROM events GROUP BY ALL
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
_FACTS = f"""
WITH actors AS (
    SELECT bucket, principal, source, arg_max(newest, t) AS newest, max(t) AS t, sum(n) AS n
    FROM events GROUP BY bucket, principal, source
    ORDER BY n DESC, bucket, principal, source LIMIT {ACTORS_MAX}
)
SELECT actors.bucket, principal, source, {_cut("id_type", 32)}, {_cut("id_principal", 128)},
    {_cut("coalesce(issuer_name, id_user)", 128)}, {_cut("id_account", 16)},
    {_cut("id_key", 128)}, {_cut("address", SOURCE_MAX_LENGTH)}, {_cut("agent", 256)},
    {_cut("region", 32)},
    -- The owner of a copy's source is not said.
    CASE WHEN records.bucket = actors.bucket AND is_ours THEN coalesce(owner, '') ELSE '' END,
    actors.t
FROM actors JOIN records ON records.rowid = newest
ORDER BY n DESC, actors.bucket, principal, source
"""
_EXAMPLES = f"""
SELECT bucket, principal, operation,
    list_transform(list_sort(flatten(list(keys)))[:{EXAMPLES}], lambda k: replace(k, chr(0), ''))
FROM events WHERE keys IS NOT NULL
GROUP BY bucket, principal, operation ORDER BY sum(n) DESC, bucket, principal, operation
LIMIT {ACTORS_MAX}
"""
_CHANGED = f"""
WITH said AS (
    SELECT json_extract_string(json, ['$.eventID', '$.requestParameters']) AS v
    FROM $json WHERE regexp_matches(json, '"({"|".join(_CHANGES)})"')
)
SELECT events.bucket, principal, source, events.t, changed, coalesce(owner, ''),
    coalesce(any_value(left(v[2], 65536)), '')
FROM events JOIN records ON records.rowid = newest
LEFT JOIN said ON left(v[1], 64) = change_id
WHERE operation = 'change' GROUP BY ALL ORDER BY events.t DESC, changed LIMIT {CHANGES_MAX}
"""
_TOLD = """
SELECT bucket, count(*), count(*) FILTER (NOT t BETWEEN $oldest AND $newest),
    count(*) FILTER (t IS NULL)
FROM records WHERE is_ours GROUP BY bucket
"""


def _count(
    form: _Form, path: Path, buckets: Collection[str], now: int, *, unreadable: int = 0
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
                _RECORDS.replace("$columns", form.columns),
                {"path": str(path), "buckets": sorted(buckets)},
            )
        except duckdb.InvalidInputException:
            if form.is_strict:
                raise _NotOfOneForm from None
            raise
        oldest, newest = int(now) - LATE, int(now) + EARLY
        told = engine.execute(_TOLD, {"oldest": oldest, "newest": newest}).fetchall()
        if engine.execute(_REPEATED).fetchall() == [(True,)]:
            engine.execute(_FIRST_ONLY)
        engine.execute(_CALLERS, {"oldest": oldest, "newest": newest})
        engine.execute(_EVENTS)
        tallies = [Tally(*row) for row in engine.execute(_TALLIES).fetchall()]
        changes = []
        if any(one.operation == Operation.CHANGE for one in tallies):
            rows = engine.execute(_CHANGED.replace("$json", form.json), {"path": str(path)})
            changes = [Change(*row) for row in rows.fetchall()]
        return Counted(
            tallies=tallies,
            facts=[Facts(*row) for row in engine.execute(_FACTS).fetchall()],
            examples={row[:3]: row[3] for row in engine.execute(_EXAMPLES).fetchall()},
            changes=changes,
            late={bucket: late for bucket, _, late, _ in told if late},
            read=sum(read for _, read, _, _ in told),
            unreadable=unreadable + sum(timeless for *_, timeless in told),
        )
