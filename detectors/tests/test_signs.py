"""What raises a finding at once: clear signs, canaries and credentials."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from pytest_django.fixtures import Settings

from detectors.tests.taking import (
    DELETE,
    ENUMERATION,
    EVE,
    EXFILTRATION,
    UNAUTHORIZED,
    WRITE,
    found,
    history,
    many,
    take,
    total,
)
from detectors.tests.traffic import (
    NOW,
    bucket,
    record,
    role,
)
from findings.models import Finding

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # rules in Python


def test_the_recorded_batch_deletion_is_found() -> None:
    bucket()
    attack = [
        *many(51),
        *many(51, "HeadObject"),
        *many(51, "GetObjectTagging"),
        *many(51, "DeleteObject"),
        *many(3, "ListObjectVersions"),
        *many(1, "DeleteObjects"),
    ]
    take(*attack)
    assert found() == [DELETE, ENUMERATION, EXFILTRATION]


def test_a_disarmed_bucket_makes_the_deletion_graver() -> None:
    bucket()
    suspended = {"VersioningConfiguration": {"Status": "Suspended"}}
    take(record("PutBucketVersioning", parameters=suspended))
    assert Finding.objects.get().severity == "HIGH"
    assert Finding.objects.get().title == "user/eve weakened the settings of the bucket invoices."
    take(*many(100, "DeleteObject"))
    assert (Finding.objects.get().severity, found()) == ("CRITICAL", [DELETE])


def test_one_object_with_a_key_of_the_caller_is_enough() -> None:
    bucket(first_event_at=None)
    sse_c = {"x-amz-server-side-encryption-customer-algorithm": "AES256"}
    take(record("CopyObject", parameters=sse_c))
    assert found() == [WRITE]


@pytest.mark.every_database  # queries
def test_who_lists_many_buckets_for_the_first_time_is_one_finding() -> None:
    names = [f"bucket-{n}" for n in range(12)]
    for name in names:
        bucket(name)
    known = [record(bucket=name, by=role()) for name in names]
    take(*(one | {"eventTime": "2026-11-23T01:00:00Z"} for one in known))
    for n, name in enumerate(names):
        take(record("ListObjectsV2", bucket=name), record("ListObjectsV2", bucket=name, by=role()))
        assert len(found()) == (n >= 9)
    finding = Finding.objects.get()
    said = json.loads(finding.raw)["service"]["detector"]
    assert (finding.finding_type, said["amount"]) == (ENUMERATION, 10)
    assert said["principal"] == EVE


def test_each_use_of_a_canary_is_a_finding() -> None:
    bucket(is_canary=True)
    take(record("HeadObject"))
    assert found() == [UNAUTHORIZED]


def test_each_use_of_a_canary_key_is_a_finding_that_names_it() -> None:
    bucket(canary_keys="admin/passwords.txt\nsecret/*")
    take(*many(5), record(key="admin/passwords.txt.bak"), record("GetObjectAcl", key="x"))
    assert (found(), total()) == ([], {"read": 6})
    take(record("GetObjectTagging", key="secret/1", errorCode="AccessDenied"), *many(5))
    said = json.loads(Finding.objects.get().raw)
    assert said["type"] == UNAUTHORIZED
    assert said["service"]["detector"]["exampleKeys"] == ["secret/1"]
    source = {"x-amz-copy-source": "/invoices/admin%2Fpasswords.txt?versionId=1"}
    take(record("CopyObject", bucket="loot", parameters=source))
    assert Finding.objects.get().count == 2


def test_the_source_of_a_copy_that_is_no_text_does_not_hide_the_file() -> None:
    bucket(canary_keys="secret/*")
    source = {"x-amz-copy-source": "invoices/%FF"}
    take(record("CopyObject", bucket="loot", parameters=source), *many(120))
    assert found() == [EXFILTRATION]


def test_any_use_of_an_object_of_a_canary_bucket_counts() -> None:
    bucket(is_canary=True)
    take(record("GetBucketLocation", parameters={"key": None}))
    take(record("GetObjectTagging"))
    assert (found(), total()) == ([UNAUTHORIZED], {"other": 1})


def test_the_session_of_an_instance_away_from_the_own_addresses_is_a_finding(
    settings: Settings,
) -> None:
    settings.OWN_ADDRESSES = ["81.2.69.0/24"]
    bucket(first_event_at=None)
    take(record(by=role(), address="81.2.69.9"), record(by=role(), address="10.0.0.7"))
    take(record(by=role(), address="athena.amazonaws.com"), record(by=role("x", session="ann")))
    take(record(by=role("x", session="i-smith"), address="8.8.4.4"))
    assert found() == []
    take(record(by=role(), address="8.8.8.8"))
    assert found() == [UNAUTHORIZED]


@pytest.mark.every_database  # queries
def test_the_session_of_an_instance_from_a_new_network_is_a_finding() -> None:
    history(bucket(), 50, range(5, 300), by=role())
    take(record(by=role(), address="81.2.69.9"))
    take(record(by=role(), address="10.0.7.9"))  # another subnet of the VPC
    take(record(by=role("new"), address="81.2.69.9"))
    assert found() == []
    take(record(by=role(), address="198.51.100.9"))
    assert found() == [UNAUTHORIZED]


@pytest.mark.every_database  # queries
def test_a_key_that_rested_for_90_days_is_a_finding() -> None:
    bucket()
    take(record())
    at = NOW + timedelta(days=91)
    take(record(at=at), at=at)
    assert found() == [UNAUTHORIZED]
