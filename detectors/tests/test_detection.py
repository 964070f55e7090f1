"""From log files to findings, on the database: volumes, and what is usual."""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from detectors import bounds, episodes, intake, situations
from detectors.models import Actor, Bucket, Episode
from detectors.tests.taking import (
    DELETE,
    EVE,
    EXFILTRATION,
    found,
    history,
    many,
    take,
    total,
)
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

pytestmark = pytest.mark.django_db

PRIVATE = "10.0.0.7"  # in a network of the VPC, which is nothing strange


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


@pytest.mark.one_database  # rules in Python
def test_less_than_the_floor_and_allowed_principals_raise_nothing() -> None:
    bucket(allowed="arn:aws:iam::*:role/backup-*\n")
    take(*many(99, address=PRIVATE))
    take(*many(5000, by=role("backup-daily")))
    assert found() == []
    assert total() == {"read": 5099}


def test_a_window_spans_files_in_any_order() -> None:
    bucket()
    later, earlier = (many(60, at=NOW - timedelta(seconds=ago), address=PRIVATE) for ago in (0, 50))
    take(*later)
    assert found() == []
    take(*earlier)
    assert found() == [EXFILTRATION]


def test_what_an_actor_always_does_raises_nothing_and_far_more_does() -> None:
    history(bucket(), 20_000, range(5, 300, 24))
    take(*many(2500))
    assert found() == []
    take(*many(10_000))
    assert found() == [EXFILTRATION]


def test_what_was_learned_is_usual_as_soon_as_the_learning_ends() -> None:
    of = bucket(first_event_at=seconds(NOW) - 25 * 3600)
    history(of, 200, range(22, 25))  # a night
    history(of, 20_000, range(2, 21))
    Actor.objects.update(first_at=seconds(NOW) - 20 * 3600)
    take(*many(2500))
    assert found() == []
    take(*many(10_000))
    assert found() == [EXFILTRATION]


def test_who_comes_late_in_the_learning_does_not_become_usual_at_once() -> None:
    of = bucket(first_event_at=seconds(NOW) - 25 * 3600)
    history(of, 20_000, range(2, 11))
    Actor.objects.update(first_at=seconds(NOW) - 10 * 3600)
    take(*many(2500))
    assert found() == [EXFILTRATION]


@pytest.mark.one_database  # rules in Python
def test_a_bucket_that_is_learning_has_higher_floors() -> None:
    bucket(first_event_at=None)
    take(*many(499, "DeleteObject"))
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


@pytest.mark.one_database  # rules in Python
def test_the_floors_of_a_bucket_replace_the_others() -> None:
    bucket(floors={"read": 5000})
    take(*many(499, address=PRIVATE))
    assert found() == []
    take(record(address=PRIVATE))
    assert found() == [EXFILTRATION]


@pytest.mark.one_database  # calls to AWS
def test_what_an_allowed_service_does_for_a_principal_raises_nothing() -> None:
    bucket(allowed="service athena.amazonaws.com")
    take(*many(2000, address="athena.amazonaws.com"))
    assert found() == []
    take(*many(99, address=PRIVATE), *many(50, address="athena.amazonaws.com"))
    assert found() == []
    take(record(address=PRIVATE))
    assert found() == [EXFILTRATION]


@pytest.mark.one_database  # calls to AWS
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


def test_a_new_principal_from_a_public_network_has_half_the_floor() -> None:
    bucket()
    take(*many(49))
    assert found() == []
    take(record())
    assert found() == [EXFILTRATION]
    assert "The principal is new here." in Finding.objects.get().description


def test_a_new_network_of_a_busy_principal_has_its_own_floor() -> None:
    history(bucket(), 50_000, range(5, 300))
    take(*(record(address=f"{net}.{n}.7") for net in ("10.0", "84.0") for n in range(8)))
    take(*many(60, address="198.51.100.9"))
    assert found() == [EXFILTRATION]


@pytest.mark.one_database  # rules in Python
def test_who_usually_comes_from_many_networks_has_no_new_one() -> None:
    history(bucket(), 50_000, range(5, 300))
    at = NOW - timedelta(days=2)
    take(*(record(address=f"84.0.{n}.7", at=at) for n in range(11)), at=at)
    take(*many(60, address="198.51.100.9"))
    assert found() == []


@pytest.mark.parametrize(
    ("first_at", "at", "until"),
    [(0, 25, 23), (0, 45, 23), (0, 46, 24), (12, 25, 23), (13, 25, 3), (13, 46, 24)],
)
def test_what_was_learned_is_past_at_once_except_the_last_hour(
    first_at: int, at: int, until: int
) -> None:
    actors = [Actor(first_at=first_at * 3600), Actor(first_at=20 * 3600)]
    of = Bucket(first_event_at=0)
    assert situations.past_until(of, actors, at * 3600) == until * 3600


def copies(count: int, **members: Any) -> list[Any]:
    """Copies from the registered bucket to one that is not."""
    source = {"x-amz-copy-source": "/invoices/a"}
    return many(count, "CopyObject", bucket="loot", parameters=source, **members)


@pytest.mark.one_database  # rules in Python
def test_copies_to_elsewhere_alone_are_a_finding_that_names_who() -> None:
    bucket()
    take(*copies(120))
    said = json.loads(Finding.objects.get().raw)
    assert said["resource"]["accessKeyDetails"]["userName"] == "eve"


@pytest.mark.one_database  # rules in Python
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


def test_a_long_name_fits() -> None:
    bucket()
    who = user("e" * 5000, key="A" * 5000) | {"principalId": "x" * 5000}
    take(*many(120, by=who, address="a" * 5000, userAgent="b" * 50_000, key="k" * 5000))
    assert found() == [EXFILTRATION]
