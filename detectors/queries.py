# ruff: noqa: S608  (the SQL is constant; only its parameters come from outside)
"""The SQL with which DuckDB counts records of CloudTrail. No Django.

Expressions on texts are slow, so most of them work on the sums.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from detectors.bounds import (
    ACCOUNT,
    ACTORS_MAX,
    ANONYMOUS,
    BYTES_MAX,
    CHANGES_MAX,
    EXAMPLES,
    KEY_MAX_LENGTH,
    OTHERS,
    PRINCIPAL_MAX_LENGTH,
    ROWS_MAX,
    SLOT,
    SOURCE_MAX_LENGTH,
)
from detectors.log_files import RECORD_MAX

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


class Form(NamedTuple):
    """How DuckDB reads the records of a file."""

    columns: str
    json: str
    is_strict: bool


_LIMIT = f"maximum_object_size = {4 * RECORD_MAX}"
_TYPES = ", ".join(f"{name}: '{_type(of)}'" for name, of in _COLUMNS.items())
_OBJECTS = f"read_ndjson_objects($path, ignore_errors = true, {_LIMIT})"
# Raises an error if one record is of another form.
ARRAY = Form(
    f"SELECT * FROM read_json($path, format = 'array', {_LIMIT}, columns = {{{_TYPES}}})",
    f"read_json_objects($path, format = 'array', {_LIMIT})",
    is_strict=True,
)
# What is of another form is NULL.
LINES = Form(
    f"SELECT unnest(json_transform(json, '{json.dumps(_COLUMNS)}')) FROM {_OBJECTS}",
    _OBJECTS,
    is_strict=False,
)

_READS = ("GetObject", "SelectObjectContent")
_COPIES = ("CopyObject", "UploadPartCopy")
_WRITES = ("PutObject", "CopyObject", "CompleteMultipartUpload", "RestoreObject")
_BEGUN = (*_WRITES, "CreateMultipartUpload")
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
COUNTED = (
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
RECORDS = f"""
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
    WHERE eventSource = 's3.amazonaws.com' AND (eventName IN {_any_of(COUNTED)} OR $watched)
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
    requestParameters.key AS key, $touched AS is_canary, $copied AS copies_canary,
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


class Canaries(NamedTuple):
    """What nobody should use. The names of buckets are as S3 allows them."""

    buckets: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()  # each "bucket/key"
    prefixes: tuple[str, ...] = ()  # each "bucket/prefix"

    @property
    def parameters(self) -> dict[str, list[str]]:
        """Those of RECORDS."""
        found = {"keys": list(self.keys), "prefixes": list(self.prefixes)}
        return found if any(found.values()) else {}

    @property
    def watched(self) -> tuple[str, ...]:
        """The buckets of which each use of an object counts."""
        named = (one.partition("/")[0] for one in (*self.keys, *self.prefixes))
        return tuple(sorted({*self.buckets, *named}))


NO_CANARIES = Canaries()


def with_canaries(sql: str, canaries: Canaries) -> str:
    """Returns RECORDS or CALLERS as they are for these canaries: without, they cost nothing."""

    def touched(name: str) -> str:
        if not canaries.parameters:
            return "false"
        prefixes = f"list_filter($prefixes::VARCHAR[], lambda p: starts_with({name}, p))"
        is_key = f"list_contains($keys::VARCHAR[], {name})"
        return f"coalesce({is_key} OR len({prefixes}) > 0, false)"

    def among(buckets: tuple[str, ...], more: str = "") -> str:
        return f"(bucket IN {_any_of(buckets)}{more})" if buckets else "false"

    source = """ltrim(requestParameters."x-amz-copy-source", '/')"""
    return (
        sql.replace("$watched", among(canaries.watched, " AND requestParameters.key <> ''"))
        .replace("$touched", touched("bucket || '/' || requestParameters.key"))
        # Of what is no UTF-8 when it is decoded, which any caller can send, TRY returns NULL.
        .replace("$copied", touched(f"TRY(url_decode(split_part({source}, '?versionId=', 1)))"))
        .replace("$whole", among(canaries.buckets))
    )


REPEATED = "SELECT count(event_id) > count(DISTINCT event_id) FROM records"
FIRST_ONLY = """
DELETE FROM records WHERE event_id IS NOT NULL
AND rowid NOT IN (SELECT min(rowid) FROM records WHERE event_id IS NOT NULL GROUP BY event_id)
"""
# Sums by what the records say of the caller, so that the texts are cut once for each of them.
CALLERS = f"""
CREATE TEMP TABLE callers AS
WITH events AS NOT MATERIALIZED (
    SELECT rowid AS id, bucket, name, event_id, t, key, bytes, address, endpoint, {_who} AS who,
        CASE
            WHEN is_canary AND (is_error OR name NOT IN {_any_of(_BEGUN)}) THEN 'canary'
            WHEN is_error AND name IN {_any_of(COUNTED)} THEN 'failed'
            WHEN name IN {_any_of(_READS)} THEN 'read'
            WHEN name IN {_any_of(_BEGUN)} THEN CASE
                WHEN is_sse_c THEN 'write_sse_c'
                WHEN regexp_matches(kms, '^arn:aws[a-z-]*:kms:[a-z0-9-]*:[0-9]{{12}}:')
                     AND split_part(kms, ':', 5) <> owner THEN 'write_foreign_kms'
                WHEN name = 'CreateMultipartUpload' THEN NULL
                WHEN regexp_matches(lower(right(key, 128)), '{_NOTE}') THEN 'write_note'
                WHEN regexp_matches(lower(right(key, 16)), '{_LOCKED}') THEN 'write_locked'
                WHEN is_canary THEN 'canary'
                ELSE 'write' END
            WHEN name = 'DeleteObject' AND is_version THEN 'delete_version'
            WHEN name = 'DeleteObject' THEN 'delete'
            WHEN name = 'DeleteObjects' THEN 'delete_batch'
            WHEN name IN {_any_of(_LISTS)} THEN 'list'
            WHEN name IN {_any_of(_CHANGES)} THEN 'change'
            WHEN $whole THEN 'other'
        END AS operation
    FROM records
    WHERE is_ours AND t BETWEEN $oldest AND $newest
    UNION ALL
    SELECT rowid, copied_from, name, event_id, t, key, 0, address, endpoint, {_who},
        CASE WHEN copies_canary THEN 'canary' WHEN is_error THEN 'failed' ELSE 'read' END
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
EVENTS = f"""
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
TALLIES = f"""
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
FACTS = f"""
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
EXAMPLE_KEYS = f"""
SELECT bucket, principal, operation,
    list_transform(list_sort(flatten(list(keys)))[:{EXAMPLES}], lambda k: replace(k, chr(0), ''))
FROM events WHERE keys IS NOT NULL
GROUP BY bucket, principal, operation ORDER BY sum(n) DESC, bucket, principal, operation
LIMIT {ACTORS_MAX}
"""
CHANGED = f"""
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
TOLD = """
SELECT bucket, count(*), count(*) FILTER (NOT t BETWEEN $oldest AND $newest),
    count(*) FILTER (t IS NULL)
FROM records WHERE is_ours GROUP BY bucket
"""
