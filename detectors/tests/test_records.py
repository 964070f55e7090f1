"""What is counted of a log file, whoever wrote into it."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections import Counter
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detectors import bounds, log_files, records
from detectors.log_files import Broken
from detectors.records import Counted, count_file, count_records
from detectors.tests.traffic import ACCOUNT, NOW, packed, reader, record, role, seconds, user

BUCKETS = ["invoices", "backups"]


def count(*some: Any, now: int = seconds(NOW)) -> Counted:
    return count_file(reader(packed(some)), BUCKETS, now=now)


def sums(counted: Counted) -> dict[str, int]:
    found: Counter[str] = Counter()
    for one in counted.tallies:
        found[one.operation] += one.times
    return dict(found)


SSE_C = {"x-amz-server-side-encryption-customer-algorithm": "AES256"}
KMS = "x-amz-server-side-encryption-aws-kms-key-id"


@pytest.mark.parametrize(
    ("some", "operation"),
    [
        (record("GetObject"), "read"),
        (record("PutObject"), "write"),
        (record("PutObject", parameters=SSE_C), "write_sse_c"),
        (record("CreateMultipartUpload", parameters=SSE_C), "write_sse_c"),
        (
            record("PutObject", parameters={KMS: "arn:aws:kms:eu-central-1:999988887777:key/1"}),
            "write_foreign_kms",
        ),
        (
            record("PutObject", parameters={KMS: f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1"}),
            "write",
        ),
        (record("PutObject", key="HOW_TO_RECOVER_FILES.txt"), "write_note"),
        (record("PutObject", key="2026/1.pdf.locked"), "write_locked"),
        (record("DeleteObject"), "delete"),
        (record("DeleteObject", parameters={"versionId": "1"}), "delete_version"),
        (record("DeleteObjects"), "delete_batch"),
        (record("ListObjectVersions"), "list"),
        (record("GetObject", errorCode="AccessDenied"), "failed"),
        (record("PutBucketVersioning"), "change"),
    ],
)
def test_each_record_is_one_operation(some: Any, operation: str) -> None:
    assert sums(count(some)) == {operation: 1}


@pytest.mark.parametrize(
    "but",
    [
        {"bucket": "backups"},
        {"by": user("bob")},
        {"address": "10.0.0.7"},
        {"vpcEndpointId": "vpce-0123456789abcdef0"},
        {"recipientAccountId": "999988887777"},
        {"errorCode": "AccessDenied"},
        {"parameters": SSE_C},
        {"parameters": {KMS: "arn:aws:kms:eu-central-1:999988887777:key/1"}},
        {"responseElements": {KMS: "arn:aws:kms:eu-central-1:999988887777:key/1"}},
        {"key": "HOW_TO_RECOVER_FILES.txt"},
        {"key": "2026/1.pdf.LOCKED"},
    ],
    ids=str,
)
def test_a_record_that_is_like_one_before_but_for_one_thing_is_not_counted_as_it(but: Any) -> None:
    usual, other = record("PutObject"), record("PutObject", **but)
    for some in ([usual, other], [other, usual]):
        assert sorted(count(*some).tallies) == sorted(
            [*count(usual).tallies, *count(other).tallies]
        )


def test_a_copy_reads_its_source_and_writes() -> None:
    copy = record("CopyObject", parameters={"x-amz-copy-source": "/backups/a%20b.txt"})
    found = {(one.bucket, one.operation) for one in count(copy).tallies}
    assert found == {("invoices", "write"), ("backups", "read")}


def test_a_bucket_that_is_named_by_its_access_point_is_found() -> None:
    arn = f"arn:aws:s3:eu-central-1:{ACCOUNT}:accesspoint/a"
    of_several = [
        record(bucket=bucket, parameters={"bucketName": arn}) for bucket in (*BUCKETS, "others")
    ]
    assert sorted(one.bucket for one in count(*of_several, *of_several).tallies) == sorted(BUCKETS)


def test_other_services_buckets_and_the_copy_in_the_callers_trail_do_not_count() -> None:
    counted = count(
        record(eventSource="ec2.amazonaws.com"),
        record(bucket="others"),
        record("GetBucketLocation"),
        record(recipientAccountId="999988887777"),
    )
    assert counted.tallies == []


@pytest.mark.parametrize(
    ("by", "principal"),
    [
        (user(), f"arn:aws:iam::{ACCOUNT}:user/eve"),
        (role(), f"arn:aws:iam::{ACCOUNT}:role/app"),
        ({"type": "AWSService", "invokedBy": "a.amazonaws.com"}, "service a.amazonaws.com"),
        (
            {"type": "AWSAccount", "accountId": "999988887777", "principalId": "AROAX:any-session"},
            "account 999988887777 AROAX",
        ),
        ({"type": "AWSAccount", "accountId": "anonymous"}, "anonymous 81.2.69.142"),
        ([1], "?"),
    ],
)  # fmt: skip
def test_the_principal_has_no_part_that_it_chooses_anew(by: Any, principal: str) -> None:
    [tally] = count(record(by=by)).tallies
    assert tally.principal == principal


@pytest.mark.parametrize(
    ("address", "more", "source"),
    [
        ("81.2.69.142", {}, "81.2.69.0/24"),
        ("2001:DB8:1:2::7", {}, "2001:db8:1::/48"),
        ("10.0.0.7", {"vpcEndpointId": "vpce-0123456789abcdef0"}, "vpce-0123456789abcdef0"),
        ("athena.amazonaws.com", {}, "athena.amazonaws.com"),
    ],
)
def test_the_source_is_a_network_a_vpc_endpoint_or_a_service(
    address: str, more: dict[str, Any], source: str
) -> None:
    [tally] = count(record(address=address, **more)).tallies
    assert tally.source == source


def test_what_is_a_day_late_or_in_the_future_is_told_and_does_not_count() -> None:
    now = seconds(NOW)
    counted = count(
        record(at=now - 86400), record(at=now - 86401), record(at=now + 3600), record(at=now + 3601)
    )
    assert sums(counted) == {"read": 2}
    assert counted.late == {"invoices": 2}


def test_a_leap_second_is_the_second_before() -> None:
    [tally] = count(record(eventTime="2026-11-23T11:59:60Z")).tallies
    assert tally.at == seconds(NOW) - 10


def test_a_record_twice_in_a_file_counts_once() -> None:
    assert sums(count(record(event_id="a"), record(event_id="a"), record(event_id="b"))) == {
        "read": 2
    }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not gzipped",
        gzip.compress(b"not JSON"),
        gzip.compress(b'{"Records": ['),
        gzip.compress(b'{"Records": [{"a": 1} {"a": 2}]}'),
        gzip.compress(b'{"Records": ' + b"[" * 100_000),
        packed([record()])[:-9],
    ],
    ids=["empty", "plain", "text", "open", "no comma", "deep", "cut"],
)
def test_a_broken_file_is_refused(content: bytes) -> None:
    with pytest.raises(Broken):
        count_file(reader(content), BUCKETS, now=seconds(NOW))


def test_a_zip_bomb_is_refused_after_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "UNPACKED_MAX", 10 * 2**20)
    bomb = gzip.compress(b'{"Records":[' + b'{"eventVersion":"1"},' * 600_000)
    assert len(bomb) < 40_000
    with pytest.raises(Broken, match="larger"):
        count_file(reader(bomb), BUCKETS, now=seconds(NOW))


@pytest.mark.parametrize(
    "said",
    [
        lambda n, text: {"userAgent": text},
        lambda n, text: {"by": user(f"user{n}") | {"userName": text}},
        lambda n, text: {"eventTime": f"{n}{text}"},
        lambda n, text: {"vpcEndpointId": f"{n}{text}"},
    ],
    ids=["user agent", "identity", "time", "endpoint"],
)
def test_long_texts_of_a_file_are_not_kept(said: Any) -> None:
    text = "x" * 900_000
    content = packed(
        record(**{"at": seconds(NOW) - 10 * number} | said(number, text)) for number in range(30)
    )
    assert peak(content) < 15_000_000


@pytest.mark.parametrize(
    "one",
    [b'{"eventVersion":"1"}', b'{"eventVersion":"1","eventName":[]}', b" 1"],
    ids=["records", "in another form", "no records"],
)
def test_more_records_than_cloudtrail_writes_are_refused(
    monkeypatch: pytest.MonkeyPatch, one: bytes
) -> None:
    def file_of(number: int) -> bytes:
        return gzip.compress(b'{"Records":[' + b",".join([one] * number) + b"]}")

    monkeypatch.setattr(log_files, "RECORDS_MAX", 1000)
    monkeypatch.setattr(log_files, "RECORD_MAX", 1000)
    monkeypatch.setattr(log_files, "_CHUNK", 500)
    assert len(list(log_files.read(reader(file_of(1000))))) > 1
    with pytest.raises(Broken, match="more than 1000 records"):
        count_file(reader(file_of(1001)), BUCKETS, now=seconds(NOW))


def test_only_so_many_event_ids_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_EVENTS_MAX", 100)
    said = b'"eventSource":"s3.amazonaws.com","eventName":"GetObject","eventID":"%d"'
    one = b'{"eventVersion":"1",' + said + b"}"
    every = b",".join(one % number for number in range(30_000))
    assert peak(gzip.compress(b'{"Records":[' + every + b"]}")) < 1_500_000


def peak(content: bytes) -> int:
    """Returns how many bytes of memory are needed to count a file."""
    tracemalloc.start()
    try:
        count_file(reader(content), BUCKETS, now=seconds(NOW))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_an_empty_name_of_a_bucket_hides_no_other_record() -> None:
    nothing, empty = ({"bucketName": name} for name in (None, ""))
    counted = count(record(parameters=nothing, resources=None), record(parameters=empty))
    assert sums(counted) == {"read": 1}


@pytest.mark.parametrize(("keys", "told"), [("aaaaaaaab", "ab"), ("abcdefghi", "abcde")])
def test_some_keys_of_each_operation_are_told_whenever_they_were_used(keys: str, told: str) -> None:
    every = [record(key=key, at=seconds(NOW) - 10 * number) for number, key in enumerate(keys)]
    assert [*count(*every).examples.values()] == [[*told]]


def test_the_sums_of_a_file_are_bounded_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "SUMS_MAX", 3)
    counted = count(*(record(by=user(f"user{n % 9}")) for n in range(90)))
    by = {one.principal: one.times for one in counted.tallies}
    assert list(by.values()) == [60, 10, 10, 10]
    assert bounds.OTHERS in by


def test_records_of_another_form_spoil_no_others_of_a_large_file() -> None:
    forged = {"eventVersion": "1"} | record("DeleteObject")
    some: list[Any] = [record() for _ in range(500)]
    for number in range(0, 500, 7):
        some[number]["requestParameters"]["x"] = [forged] * (number % 70)
    some[100:100] = [7, record(userAgent=["a"]), record(userAgent="\ud800")]
    content = packed(some)
    assert len(gzip.decompress(content)) > 10 * log_files._CHUNK
    counted = count_file(reader(content), BUCKETS, now=seconds(NOW))
    assert (sums(counted), counted.unreadable) == ({"read": 502}, 1)


@pytest.mark.parametrize(
    "of",
    [
        lambda some: json.dumps({"Records": some}, indent=1).encode(),
        lambda some: json.dumps({"Records": [dict(reversed(n.items())) for n in some]}).encode(),
        lambda some: json.dumps({"Records": [1, *some, None, ["text"]]}).encode(),
    ],
)  # fmt: skip
def test_files_of_another_form_count_the_same(of: Any) -> None:
    content = gzip.compress(of([record(), record("PutObject")]))
    counted = count_file(reader(content), BUCKETS, now=seconds(NOW))
    assert sums(counted) == {"read": 1, "write": 1}


@pytest.mark.parametrize("another", [[], [1]], ids=["fast", "slow"])
def test_facts_are_those_of_the_newest_record_and_a_change_has_its_parameters(another: Any) -> None:
    status = {"VersioningConfiguration": {"Status": "Suspended"}}
    counted = count(
        *another,
        record(at=seconds(NOW) - 5, userAgent="x" * 5000, event_id="a", key="k" * 5000),
        record(at=seconds(NOW) - 5, userAgent="repeated", event_id="a"),
        record("PutBucketVersioning", at=seconds(NOW) - 60, parameters=status),
    )
    [facts], [change] = counted.facts, counted.changes
    assert (facts.user_agent, facts.access_key) == ("x" * 256, "AKIAEVE")
    assert (facts.bucket_account, facts.seen_at) == (ACCOUNT, seconds(NOW) - 5)
    assert counted.examples[facts.bucket, facts.principal, "read"] == ["k" * 256]
    assert json.loads(change.parameters).items() >= status.items()


def test_several_gzip_members_are_one_file() -> None:
    text = gzip.decompress(packed([record(), record()]))
    content = gzip.compress(text[:700]) + gzip.compress(text[700:])
    counted = count_file(reader(content), BUCKETS, now=seconds(NOW))
    assert sums(counted) == {"read": 2}


def test_a_record_cannot_forge_another_inside_itself() -> None:
    forged = record("DeleteObject")
    parts = [{"eventVersion": "1"}, forged, {"eventVersion": "2"}]
    assert sums(count(record(parameters={"x": parts}), record("PutObject"))) == {
        "read": 1,
        "write": 1,
    }


@pytest.mark.parametrize(
    ("value", "read"),
    [(b"[" * 5000 + b"]" * 5000, 0), (b"1" * 5000, 1), (b"1e999", 1)],
    ids=["deep", "digits", "large"],
)
def test_what_a_caller_sends_spoils_no_other_record(value: bytes, read: int) -> None:
    one = record("DeleteObject", parameters={"x": "..."}, additionalEventData=[])
    text = gzip.decompress(packed([record(), one, record()])).replace(b'"..."', value)
    counted = count_file(reader(gzip.compress(text)), BUCKETS, now=seconds(NOW))
    assert (sums(counted).get("delete", 0), counted.unreadable) == (read, 1 - read)
    assert sums(counted)["read"] == 2


@pytest.mark.parametrize("size", [True, "7", 10**400])
def test_a_size_that_is_none_counts_no_bytes(size: Any) -> None:
    [tally] = count(record(additionalEventData={"bytesTransferredOut": size})).tallies
    assert (tally.times, tally.bytes) == (1, 0)


def test_half_a_character_and_nul_spoil_nothing() -> None:
    counted = count(record(userAgent="\ud800\0"), record())
    assert sums(counted) == {"read": 2}
    assert "\0" not in str(counted)


def test_a_flood_of_strangers_is_bounded_and_hides_no_principal_of_the_account() -> None:
    strangers = [
        record(
            by={"type": "AWSAccount", "accountId": "999988887777", "principalId": f"A{n}"},
            event_id=f"{n}-{twice}",
        )
        for n in range(bounds.ROWS_MAX + 50)
        for twice in range(2)
    ]
    counted = count(*strangers, record())
    assert len(counted.tallies) == bounds.ROWS_MAX + 2
    by = {one.principal: one.times for one in counted.tallies}
    assert by[bounds.OTHERS] == 100
    assert by[f"arn:aws:iam::{ACCOUNT}:user/eve"] == 1


texts = st.text(max_size=8)
values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
NAMES = ["GetObject", "PutObject", "DeleteObject", "DeleteObjects", "HeadObject", "Other"]


@st.composite
def any_record(draw: Any) -> dict[str, Any]:
    made = record(
        draw(st.sampled_from(NAMES)),
        at=seconds(NOW) - draw(st.integers(0, 90_000)),
        bucket=draw(st.sampled_from([*BUCKETS, "others"])),
        by=draw(st.sampled_from([user(), user("bob"), role()])),
        size=draw(st.integers(0, 10**9)),
        event_id=str(draw(st.integers(0, 12))),
    )
    for field in draw(
        st.lists(st.sampled_from(["userAgent", "responseElements", "tlsDetails"]), max_size=2)
    ):
        made[field] = draw(values)
    return made


OPERATIONS = {
    "GetObject": "read",
    "PutObject": "write",
    "DeleteObject": "delete",
    "DeleteObjects": "delete_batch",
    "HeadObject": "list",
}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(any_record(), max_size=12))
def test_the_sums_are_those_of_a_naive_count(some: list[dict[str, Any]]) -> None:
    unique = {one["eventID"]: one for one in reversed(some)}
    naive: Counter[tuple[str, str, str, int]] = Counter()
    size: Counter[tuple[str, str, str, int]] = Counter()
    for one in unique.values():
        at = int(datetime.fromisoformat(one["eventTime"]).timestamp())
        operation = OPERATIONS.get(one["eventName"], "")
        name = one["requestParameters"]["bucketName"]
        if name not in BUCKETS or not operation or seconds(NOW) - at > bounds.LATE:
            continue
        issuer = one["userIdentity"].get("sessionContext", {}).get("sessionIssuer", {})
        principal = issuer.get("arn") or one["userIdentity"]["arn"]
        row = (name, principal, operation, at - at % 10)
        naive[row] += 1
        size[row] += sum(one["additionalEventData"].values())
    counted = count_file(reader(packed(_in_order(some))), BUCKETS, now=seconds(NOW))
    found = {
        (one.bucket, one.principal, one.operation, one.at): (one.times, one.bytes)
        for one in counted.tallies
    }
    assert found == {row: (times, size[row]) for row, times in naive.items()}


def _in_order(some: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first of those with one event ID, which the naive count takes."""
    seen: dict[str, dict[str, Any]] = {}
    return [seen.setdefault(one["eventID"], one) for one in some]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([*record(), "x"]), values), st.binary(max_size=200))
def test_no_record_and_no_file_raises_anything_else(some: dict[str, Any], content: bytes) -> None:
    base = record()
    counted = count_records([base | some], BUCKETS, now=seconds(NOW))
    assert len(counted.tallies) <= 1
    assert len(str(counted)) < 20_000
    for bytes_read in (content, gzip.compress(b'{"Records":[' + content + b"]}")):
        with suppress(Broken):
            count_file(reader(bytes_read), BUCKETS, now=seconds(NOW))
