"""The query of deploy/athena/ gives the sums that records.py counts, of the same log file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb

from detectors import operations, records
from detectors.operations import Operation
from detectors.tests.traffic import (
    ACCOUNT,
    NOW,
    file_key,
    packed,
    reader,
    record,
    role,
    seconds,
    user,
)
from tests import athena

BUCKETS = {"invoices", "backups"}  # as in the query
ANONYMOUS = {"type": "Unknown", "principalId": "", "accountId": "anonymous"}
STRANGER = {"type": "AWSAccount", "principalId": "AROAX:session", "accountId": "999988887777"}
SERVICE = {"type": "AWSService", "invokedBy": "athena.amazonaws.com"}
KMS = "x-amz-server-side-encryption-aws-kms-key-id"
SSE_C = {"x-amz-server-side-encryption-customer-algorithm": "AES256"}


def day() -> Iterator[dict[str, Any]]:
    """Records with every operation, kind of principal and source."""
    for name in sorted(operations.COUNTED):
        yield record(name, size=10)
    for number, who in enumerate((user("bob"), role(), ANONYMOUS, STRANGER, SERVICE, {})):
        yield record(by=who, size=2**number)
        yield record("PutObject", by=who, size=100, at=seconds(NOW) + 9)
        yield record(by=who, at=seconds(NOW) + 10)  # in the next ten seconds
    without_issuer = {name: value for name, value in role().items() if name != "sessionContext"}
    yield record(by=without_issuer)
    for address in ("2A00:1450:4001:800::200e", "2a00::1", "::1", "athena.amazonaws.com", "1.2.3"):
        yield record(address=address)
    yield record(address="10.0.0.7", vpcEndpointId="vpce-0123456789abcdef0")
    yield record("PutObject", parameters=SSE_C)
    for owner in (ACCOUNT, "999988887777"):
        key_arn = f"arn:aws:kms:eu-central-1:{owner}:key/1234"
        yield record("PutObject", parameters={KMS: key_arn})
        yield record("PutObject", responseElements={KMS: key_arn})
    for key in ("HOW_TO_RESTORE.txt", "a/" * 200 + "ransom.html", "x.pdf.LOCKED", "locked/x.pdf"):
        yield record("PutObject", key=key)
    yield record("DeleteObject", parameters={"versionId": "v1"})
    yield record(errorCode="AccessDenied")
    for name, source in (("CopyObject", "/backups/a%20b"), ("UploadPartCopy", "invoices/x")):
        yield record(name, parameters={"x-amz-copy-source": source})
        yield record(name, bucket="other", parameters={"x-amz-copy-source": source})
    twice = record()
    yield from (twice, twice)
    yield record(bucket="other")
    yield record(requestParameters=None)  # the resources name the bucket
    yield record(recipientAccountId="999988887777")  # of the trail of the caller
    yield record(eventSource="kms.amazonaws.com")
    yield record(additionalEventData={"bytesTransferredOut": -5})
    yield record(additionalEventData=None)
    yield record(eventTime="2026-11-23T11:59:60Z")


def by_athena(of: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Runs the table and the query in DuckDB on what Athena's reader of CloudTrail gives."""
    columns = athena.columns(athena.parsed("events.sql"))
    types = {one.name: one.args["kind"].sql("duckdb") for one in columns}
    lines = [
        {name: value for name, value in _lower(each).items() if name in types}
        | {
            # This reader gives these objects as text.
            name.lower(): None if each.get(name) is None else json.dumps(each[name])
            for name in ("requestParameters", "responseElements", "additionalEventData")
        }
        for each in of
    ]
    with duckdb.connect() as engine:
        declared = ", ".join(f"{name} {kind}" for name, kind in types.items())
        engine.execute(f"CREATE TABLE threatreaction_events ({declared}, day TEXT)")
        for line in lines:
            chosen = ", ".join(f"(v ->> '$.{name}')::{kind}" for name, kind in types.items())
            engine.execute(
                f"INSERT INTO threatreaction_events SELECT {chosen}, '2026/11/23'"  # noqa: S608
                " FROM (SELECT ?::JSON AS v)",
                [json.dumps(line)],
            )
        return engine.execute(athena.parsed("sums.sql").sql("duckdb")).fetchall()


def _lower(value: Any) -> Any:
    if isinstance(value, dict):
        return {name.lower(): _lower(one) for name, one in value.items()}
    return [_lower(one) for one in value] if isinstance(value, list) else value


def test_athena_gives_the_same_sums() -> None:
    all_of_them = list(day())
    counted = records.count_file(reader(packed(all_of_them)), BUCKETS, now=seconds(NOW))
    tallies = sorted(tuple(one) for one in counted.tallies)
    assert {one.operation for one in counted.tallies} == set(Operation) - {"canary", "other"}
    assert len(tallies) > 30
    assert sorted(by_athena(all_of_them)) == tallies


def test_the_partitions_are_the_days_of_the_path() -> None:
    table = athena.parsed("events.sql")
    properties = athena.properties(table)
    assert athena.partitions(table) == ["day"]
    assert properties["projection.enabled"] == "true"
    assert properties["projection.day.format"] == "yyyy/MM/dd"
    template = properties["storage.location.template"]
    assert template == athena.location(table) + "${day}"
    path = template.replace("ACCOUNT", ACCOUNT).replace("REGION", "eu-central-1")
    folder = path.replace("${day}", "2026/11/23").removeprefix("s3://BUCKET/")
    assert file_key().startswith(f"{folder}/")
