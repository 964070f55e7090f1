"""What a message names, in whichever envelope."""

from __future__ import annotations

import json
from typing import Any

import pytest

from detectors import messages
from detectors.messages import LogFile, Poison
from detectors.tests.traffic import ACCOUNT, file_key, record

KEY = file_key()
S3 = {
    "Records": [
        {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "trail"}, "object": {"key": KEY, "eTag": "1"}},
        }
    ]
}
SNS = {"Type": "Notification", "Message": json.dumps(S3)}
CREATED = {
    "source": "aws.s3",
    "detail-type": "Object Created",
    "detail": {"bucket": {"name": "trail"}, "object": {"key": KEY, "etag": "1"}},
}
OF_CLOUDTRAIL = {"s3Bucket": "trail", "s3ObjectKey": [KEY]}


@pytest.mark.parametrize(
    "body", [S3, SNS, {"Type": "Notification", "Message": json.dumps(SNS)}, CREATED, OF_CLOUDTRAIL]
)
def test_a_log_file_is_found(body: Any) -> None:
    named = messages.read(json.dumps(body))
    assert (named.files, named.records) == ([LogFile("trail", KEY)], [])


def test_a_key_is_decoded_only_where_s3_encodes_it() -> None:
    one = json.dumps(S3).replace(KEY, f"a+b%2B/{KEY}")
    assert messages.read(one).files == [LogFile("trail", f"a b+/{KEY}")]
    one = json.dumps(CREATED).replace(KEY, f"a+b/{KEY}")
    assert messages.read(one).files == [LogFile("trail", f"a+b/{KEY}")]


def test_a_single_event_is_a_record() -> None:
    event = {"detail-type": "AWS API Call via CloudTrail", "detail": record(event_id="7")}
    [one] = messages.read(json.dumps(event)).records
    assert one["eventID"] == "7"


@pytest.mark.parametrize(
    "key",
    [
        KEY.replace("CloudTrail/", "CloudTrail-Digest/"),
        KEY.replace("CloudTrail/", "CloudTrail-Insight/"),
        f"AWSLogs/{ACCOUNT}/Config/eu-central-1/2026/11/23/file.json.gz",
        "AWSLogs/",
        "x" * 2000,
    ],
)
def test_other_objects_are_skipped(key: str) -> None:
    named = messages.read(json.dumps(S3).replace(KEY, key))
    assert (named.files, named.skipped) == ([], 1)


def test_the_test_event_of_s3_is_skipped() -> None:
    assert messages.read('{"Service":"Amazon S3","Event":"s3:TestEvent"}').skipped == 1


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "7",
        "{}",
        "[" * 100_000,
        '{"s3ObjectKey": [7], "s3Bucket": "a"}',
        json.dumps(S3).replace("trail", "\\u0000"),
        '{"detail-type": "Object Created", "detail": {"bucket": {}, "object": null}}',
    ],
    ids=range(8),
)
def test_anything_else_is_poison(body: str) -> None:
    with pytest.raises(Poison):
        messages.read(body)
