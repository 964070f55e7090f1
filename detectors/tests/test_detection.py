"""From log files to findings, on the database."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Sum as SumOf
from pytest_django.fixtures import Settings

from detectors import bounds, counting, episodes, folding, intake, past, rules
from detectors.models import Actor, Bucket, Episode, Mark, Sum
from detectors.tests.traffic import (
    ACCOUNT,
    NOW,
    bucket,
    packed,
    reader,
    record,
    role,
    seconds,
    user,
)
from findings.models import Finding

pytestmark = [pytest.mark.django_db, pytest.mark.every_database]

EXFILTRATION = "ThreatReaction:S3Data/Exfiltration"
WRITE = "ThreatReaction:Ransomware/Write"
DELETE = "ThreatReaction:Ransomware/Delete"
UNAUTHORIZED = "ThreatReaction:IAMCredential/UnauthorizedUse"
ENUMERATION = "ThreatReaction:Ransomware/Enumeration"
EVE = f"arn:aws:iam::{ACCOUNT}:user/eve"


def take(*some: Any, name: str = "", at: datetime = NOW) -> intake.Taken:
    """Takes a log file with the records."""
    content = packed(some)
    return intake.take_file(name or str(hash(content)), reader(content), at=at)


def many(count: int, name: str = "GetObject", **members: Any) -> list[Any]:
    return [record(name, **members) for _ in range(count)]


def total() -> dict[str, int]:
    return {
        row["operation"]: row["n"]
        for row in Sum.objects.values("operation").annotate(n=SumOf("count"))
    }


def found() -> list[str]:
    return sorted(Finding.objects.values_list("finding_type", flat=True))


def history(of: Bucket, per_hour: int, hours: Iterable[int], *, by: Any = None) -> None:
    """What an actor read in earlier hours, in hours before NOW."""
    take(record(by=by, at=NOW - timedelta(hours=20)))
    actor = Actor.objects.get(bucket=of)
    Actor.objects.update(first_at=seconds(NOW) - 14 * 86400)
    counting.upsert(
        (actor.pk, 3600, seconds(NOW) - ago * 3600, "read", per_hour, 0, 0, 0, per_hour // 10,
         per_hour // 4)
        for ago in hours
    )  # fmt: skip


def test_a_flood_of_reads_is_one_finding_that_names_who_what_and_which_keys() -> None:
    bucket()
    take(*many(120, size=10**6))
    finding = Finding.objects.get()
    said = json.loads(finding.raw)
    assert (finding.finding_type, finding.account_id, finding.severity) == (
        EXFILTRATION,
        ACCOUNT,
        "MEDIUM",
    )
    assert said["service"]["detector"]["amount"] == 120
    assert said["service"]["detector"]["threshold"] == 100
    assert len(said["service"]["detector"]["exampleKeys"]) == 5
    named = set(finding.mention_set.values_list("entity__kind", "entity__name"))
    assert named == {
        ("user", "eve"),
        ("access key", "AKIAEVE"),
        ("address", "81.2.69.142"),
        ("bucket", "invoices"),
    }


def test_less_than_the_floor_and_allowed_principals_raise_nothing() -> None:
    bucket(allowed="arn:aws:iam::*:role/backup-*\n")
    take(*many(99))
    take(*many(5000, by=role("backup-daily")))
    assert found() == []
    assert total() == {"read": 5099}


def test_a_window_spans_files_in_any_order() -> None:
    bucket()
    later, earlier = many(60, at=NOW), many(60, at=NOW - timedelta(seconds=50))
    take(*later)
    assert found() == []
    take(*earlier)
    assert found() == [EXFILTRATION]


def test_what_an_actor_always_does_raises_nothing_and_far_more_does() -> None:
    history(bucket(), 20_000, range(5, 300, 24))
    take(*many(2500))
    assert found() == []
    take(*many(9000))
    assert found() == [EXFILTRATION]


def test_a_bucket_that_is_learning_has_higher_floors() -> None:
    bucket(first_event_at=None)
    take(*many(199, "DeleteObject"))
    assert found() == []
    take(record("DeleteObject"))
    assert found() == [DELETE]


def test_an_attack_is_one_finding_until_an_hour_of_quiet() -> None:
    bucket()
    for minutes in (0, 20, 70):
        at = NOW + timedelta(minutes=minutes)
        take(*many(150, at=at), at=at)
    first = Finding.objects.get()
    assert first.count == 3
    at = NOW + timedelta(minutes=70 + 61)
    take(*many(150, at=at), at=at)
    assert Finding.objects.count() == 2


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
    assert found() == [DELETE]


def test_a_disarmed_bucket_makes_the_deletion_graver() -> None:
    bucket()
    suspended = {"VersioningConfiguration": {"Status": "Suspended"}}
    take(record("PutBucketVersioning", parameters=suspended))
    assert Finding.objects.get().severity == "HIGH"
    assert Finding.objects.get().title == "user/eve weakened the settings of the bucket invoices."
    take(*many(60, "DeleteObject"))
    assert (Finding.objects.get().severity, found()) == ("CRITICAL", [DELETE])


def test_one_object_with_a_key_of_the_caller_is_enough() -> None:
    bucket(first_event_at=None)
    sse_c = {"x-amz-server-side-encryption-customer-algorithm": "AES256"}
    take(record("CopyObject", parameters=sse_c))
    assert found() == [WRITE]


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


def test_what_an_allowed_service_does_for_a_principal_raises_nothing() -> None:
    bucket(allowed="service athena.amazonaws.com")
    take(*many(2000, address="athena.amazonaws.com"))
    assert found() == []
    take(*many(99), *many(50, address="athena.amazonaws.com"))
    assert found() == []
    take(record())
    assert found() == [EXFILTRATION]


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


def test_who_has_an_allowed_tag_raises_nothing() -> None:
    bucket(allowed="tag job=backup\ntag job=export")
    tags = {f"arn:aws:iam::{ACCOUNT}:role/app": {"job": "backup"}, EVE: {"job": "other"}}

    def taken(*some: Any) -> None:
        content = packed(some)
        intake.take_file(
            str(hash(content)), reader(content), at=NOW, tags_of=lambda who: tags.get(who, {})
        )
        intake.take_records(some, at=NOW, tags_of=lambda who: tags.get(who, {}))

    taken(*many(2000, by=role()))
    assert found() == []
    taken(record())  # both are new, and only this one counts
    assert found() == []
    taken(*many(200))
    assert found() == [EXFILTRATION]


def test_what_many_new_principals_read_together_is_one_finding() -> None:
    bucket()
    anonymous = {"type": "AWSAccount", "accountId": "anonymous"}
    for n in range(3):
        take(*many(45, by=anonymous, address=f"81.2.{n}.7"))
    assert found() == []
    for n in range(3):
        take(*many(40, by=role(f"app{n}", session="ann")))
        assert len(found()) == (n == 2)
    detector = json.loads(Finding.objects.get().raw)["service"]["detector"]
    assert (detector["principal"], detector["amount"]) == (bounds.OTHERS, 120)


def test_the_floors_of_a_bucket_replace_the_others() -> None:
    bucket(floors={"read": 5000})
    take(*many(499))
    assert found() == []
    take(record())
    assert found() == [EXFILTRATION]


def test_the_session_of_an_instance_from_a_new_network_is_a_finding() -> None:
    history(bucket(), 50, range(5, 300), by=role())
    take(record(by=role(), address="81.2.69.9"))
    assert found() == []
    take(record(by=role(), address="198.51.100.9"))
    assert found() == [UNAUTHORIZED]


def test_a_new_network_of_a_busy_principal_has_its_own_floor() -> None:
    history(bucket(), 50_000, range(5, 300))
    take(*many(60, address="198.51.100.9"))
    assert found() == [EXFILTRATION]


def test_a_key_that_rested_for_90_days_is_a_finding() -> None:
    bucket()
    take(record())
    at = NOW + timedelta(days=91)
    take(record(at=at), at=at)
    assert found() == [UNAUTHORIZED]


def test_a_file_twice_counts_once_and_raises_once() -> None:
    bucket()
    some = many(120)
    take(*some, name="a")
    assert take(*some, name="a").is_repeated
    assert total() == {"read": 120}
    assert Finding.objects.get().count == 1


@pytest.mark.parametrize("is_file_first", [False, True])
def test_single_events_that_also_come_by_file_count_once(is_file_first: bool) -> None:
    bucket()
    some = many(120)
    if is_file_first:
        take(*some)
    for _ in range(2):
        intake.take_records(some[:110], at=NOW)
    if not is_file_first:
        assert found() == [EXFILTRATION]
        take(*some)
    actor = Actor.objects.get()
    assert sum(max(one.count, one.single_count) for one in actor.sum_set.all()) == 120
    assert json.loads(Finding.objects.get().raw)["service"]["detector"]["amount"] == 120


def test_single_events_beyond_the_limit_are_left_to_the_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counting, "SINGLES_MAX", 5)
    bucket()
    for _ in range(2):
        intake.take_records(many(4), at=NOW)
    assert Mark.objects.count() == 5


def test_a_file_without_events_of_registered_buckets_leaves_nothing() -> None:
    bucket()
    take(*many(3, bucket="others"))
    assert not Mark.objects.exists()
    assert not Actor.objects.exists()


def copies(count: int, **members: Any) -> list[Any]:
    """Copies from the registered bucket to one that is not."""
    source = {"x-amz-copy-source": "/invoices/a"}
    return many(count, "CopyObject", bucket="loot", parameters=source, **members)


def test_copies_to_elsewhere_alone_are_a_finding_that_names_who() -> None:
    bucket()
    take(*copies(120))
    said = json.loads(Finding.objects.get().raw)
    assert said["resource"]["accessKeyDetails"]["userName"] == "eve"


def test_later_copies_do_not_hide_whose_bucket_it_is() -> None:
    bucket()
    take(*many(3))
    for minutes in (1, 2):
        at = NOW + timedelta(minutes=minutes)
        take(*(one | {"awsRegion": f"region-{minutes}"} for one in copies(120, at=at)), at=at)
    finding = Finding.objects.get()
    assert (finding.account_id, finding.region, finding.count) == (ACCOUNT, "region-1", 2)
    assert json.loads(finding.raw)["resource"]["accessKeyDetails"]["userName"] == "eve"


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_count_at_once_judge_the_sums_of_both() -> None:
    """Each has less than the floor."""
    bucket()
    around = (NOW - timedelta(hours=3), NOW + timedelta(minutes=30))
    take(*(record(at=at) for at in around))  # else both change the actor, and one waits for it
    other = threading.Thread(target=in_thread, args=[many(60, at=NOW + timedelta(seconds=10))])
    with transaction.atomic():
        take(*many(60))
        other.start()
        until_it_waits(other)
    other.join(30)
    assert found() == [EXFILTRATION]


def in_thread(some: list[Any]) -> None:
    try:
        take(*some)
    finally:
        connection.close()


def until_it_waits(thread: threading.Thread) -> None:
    """Waits until the thread has ended, or waits for a lock. On SQLite, there is only one lock."""
    deadline = time.monotonic() + 20
    while connection.vendor == "postgresql" and thread.is_alive() and time.monotonic() < deadline:
        with connection.cursor() as cursor:  # pg_stat_activity stays as it is in a transaction
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)


def test_a_flood_of_principals_is_bounded_and_still_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counting, "ACTORS_MAX", 20)
    bucket()
    strangers = [
        record(by={"type": "AWSAccount", "accountId": "anonymous"}, address=f"81.2.{n}.7")
        for n in range(150)
    ]
    take(*strangers)
    take(record())
    rows = Actor.objects.values_list("principal", flat=True)
    assert len(rows) == 10 + 1 + 1  # half of them, all others together, and eve
    assert EVE in rows
    assert total() == {"read": 151}
    [episode] = Episode.objects.all()
    assert episode.principal == bounds.OTHERS


def test_many_strangers_at_once_share_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episodes, "STRANGERS_MAX", 2)
    bucket()
    anonymous = {"type": "AWSAccount", "accountId": "anonymous"}
    for n in range(4):
        take(*many(60, by=anonymous, address=f"81.2.{n}.7"))
    assert sorted(Episode.objects.values_list("principal", "times")) == [
        (bounds.OTHERS, 2),
        ("anonymous 81.2.0.7", 1),
        ("anonymous 81.2.1.7", 1),
    ]
    take(*many(120))
    assert Finding.objects.count() == 4  # one's own principals have their own


def test_a_flood_of_networks_of_one_principal_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "SOURCES_MAX", 5)
    bucket()
    for _ in range(2):
        take(*(record(address=f"81.2.{n}.7") for n in range(50)))
    assert Actor.objects.count() == 6
    assert total() == {"read": 100}
    assert found() == [EXFILTRATION]


def test_old_sums_become_minutes_and_hours_and_stay_equal() -> None:
    bucket()
    random.seed(1)
    now = seconds(NOW)
    some = [record(at=now - random.randrange(80_000)) for _ in range(300)]  # noqa: S311
    take(*some[:200])
    folding.fold(now)
    take(*some[200:])  # late ones
    folding.fold(now)
    assert total() == {"read": 300}
    assert set(Sum.objects.values_list("grain", flat=True)) == {10, 60}
    folding.fold(now + 30 * 3600)
    assert total() == {"read": 300}
    assert set(Sum.objects.values_list("grain", flat=True)) == {3600}
    assert min(Sum.objects.values_list("peak_1", flat=True)) >= 1
    folding.fold(now + 40 * 86400)
    assert not Actor.objects.exists()
    assert not Mark.objects.exists()


def test_minutes_and_hours_tell_the_same_past() -> None:
    of = bucket()
    take(*(record(at=NOW - timedelta(hours=8, minutes=m)) for m in range(30) for _ in range(m)))
    folding.fold(seconds(NOW))
    actors = list(Actor.objects.filter(bucket=of))
    before = past.of_actors(actors, seconds(NOW))
    folding.fold(seconds(NOW) + 30 * 3600)
    assert past.of_actors(actors, seconds(NOW)) == before
    [hour] = past.hours_of(before[EVE], rules.MEASURES[0])[:1]
    assert (hour.peak_1, hour.peak_5) == (29, 29 + 28 + 27 + 26 + 25)


def test_late_events_are_told() -> None:
    bucket()
    take(record(), record(at=NOW - timedelta(days=2)))
    assert Bucket.objects.get().late == 1
    assert Bucket.objects.get().last_event_at == seconds(NOW)


def test_a_long_name_fits() -> None:
    bucket()
    who = user("e" * 5000, key="A" * 5000) | {"principalId": "x" * 5000}
    take(*many(120, by=who, address="a" * 5000, userAgent="b" * 50_000, key="k" * 5000))
    assert found() == [EXFILTRATION]
