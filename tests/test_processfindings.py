"""Tests of `manage.py processfindings`: killed at each step, stopped, several workers."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from actions.tests.attacks import STOLEN, attack, stolen
from actions.tests.test_isolation import MINING, Instance, an_instance, mining
from findings.tests.findings import BRUTE_FORCE
from tests import aws
from tests.aws import Cloud
from tests.databases import Databases
from tests.server import worker

# For workers that are killed, or two: each database has locks and leases of its own kind.
every_database = pytest.mark.every_database

POLICY = {BRUTE_FORCE: "BLOCK", "Recon:EC2/Portscan": "SAVE", STOLEN: "REVOKE", MINING: "BLOCK"}
RULES = ", ".join(f"('', '{kind}', '', '{action}')" for kind, action in POLICY.items())
SET = f"INSERT INTO findings_threatpolicy (service, finding_type, severity, action) VALUES {RULES}"  # noqa: S608


@pytest.fixture
def environment(databases: Databases, cloud: Cloud) -> Iterator[dict[str, str]]:
    """The environment of a deployment with all AWS resources."""
    cloud.client("s3").create_bucket(
        Bucket="evidence", CreateBucketConfiguration={"LocationConstraint": aws.REGION}
    )
    with databases.copy() as url:
        whole = databases.environment(url) | cloud.environment
        whole |= {
            "CONTAINMENT": "on",
            "BLOCK_IP_SETS": cloud.ip_set("blocked"),
            "BLOCK_PREFIX_LISTS": cloud.prefix_list(limit=5000),
            "BLOCK_DOMAIN_LISTS": cloud.domain_list(),
            "ISOLATION": "on",
            "SAVE_BUCKET": "evidence",
            "FINDINGS_QUEUE_URL": cloud.queue(),
            "MAX_CONTAINMENTS_PER_HOUR": "100000",
        }
        query(whole, SET)
        yield whole


def query(environment: dict[str, str], sql: str) -> list[Any]:
    url = urlsplit(environment["DATABASE_URL"])
    if url.scheme == "sqlite":
        with sqlite3.connect(url.path, timeout=20) as connection:
            return connection.execute(sql).fetchall()
    socket, name = url.path.rsplit("/", 1)
    with psycopg.connect(host=socket.lstrip("/") and socket, user=url.username, dbname=name) as db:
        cursor = db.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


def wait_until(environment: dict[str, str], sql: str, expected: Any, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (found := query(environment, sql)) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def send(cloud: Cloud, environment: dict[str, str], messages: list[Any]) -> None:
    queue, sqs = environment["FINDINGS_QUEUE_URL"], cloud.client("sqs")
    for start in range(0, len(messages), 10):
        entries = [
            {"Id": str(number), "MessageBody": json.dumps({"detail": one})}
            for number, one in enumerate(messages[start : start + 10])
        ]
        sqs.send_message_batch(QueueUrl=queue, Entries=entries)


def findings(cloud: Cloud, instance: Instance) -> list[Any]:
    """Return findings for BLOCK, REVOKE and SAVE, and for BLOCK of an instance."""
    iam = cloud.client("iam")
    iam.create_user(UserName="bob")
    key = iam.create_access_key(UserName="bob")["AccessKey"]["AccessKeyId"]
    return [
        attack(1),
        stolen(key, number=2),
        attack(3, type="Recon:EC2/Portscan"),
        mining(instance, 4),
    ]


def assert_all_is_done(cloud: Cloud, environment: dict[str, str], instance: Instance) -> None:
    assert query(environment, "SELECT count(*) FROM findings_finding") == [(4,)]
    assert query(
        environment, "SELECT kind, state, count(*) FROM actions_reaction GROUP BY 1, 2 ORDER BY 1"
    ) == [(kind, "done", count) for kind, count in KINDS.items()]
    assert cloud.addresses(environment["BLOCK_IP_SETS"]) == {"81.2.0.2/32"}
    assert cloud.prefixes(environment["BLOCK_PREFIX_LISTS"]) == {"81.2.0.2/32"}
    assert cloud.more.domain_lists == {"rslvr-fdl-1": {"pool.example.org"}}
    assert instance.is_isolated
    # What each of the three interfaces had is remembered once, and is not the quarantine group.
    remembered = [one for (one,) in query(environment, REMEMBERED)]
    assert remembered.count('{"listed": false}') == 3  # the entries of the lists
    assert len(remembered) == 3 + 3 + 1  # and the key
    assert not any(f'"groups": ["{instance.quarantine}"]' in one for one in remembered)
    (key,) = cloud.client("iam").list_access_keys(UserName="bob")["AccessKeyMetadata"]
    assert key["Status"] == "Inactive"
    saved = cloud.client("s3").list_objects_v2(Bucket="evidence")
    assert saved["KeyCount"] == 1


KINDS = {"BLOCK": 2, "ISOLATE": 1, "REVOKE": 1, "SAVE": 1}
REMEMBERED = "SELECT CAST(before AS TEXT) FROM actions_memory"
PENDING = "SELECT count(*) FROM actions_reaction WHERE state = 'pending'"
STORED = "SELECT count(*) FROM findings_finding"


# actions/tests/test_killed.py kills workers at each other step, in its process.
@every_database
@pytest.mark.parametrize(
    ("operation", "after"),
    [
        ("DeleteMessageBatch", False),  # after the commit of the findings
        ("UpdateIPSet", True),  # before the commit of the reaction
    ],
)
def test_a_worker_that_is_killed_loses_nothing_and_does_nothing_twice(
    cloud: Cloud, environment: dict[str, str], tmp_path: Path, operation: str, after: bool
) -> None:
    instance = an_instance(cloud)
    sent = findings(cloud, instance)
    send(cloud, environment, sent)
    cloud.asked.clear()
    cloud.hang(operation, after=after)
    with worker(environment, tmp_path / "log") as process:
        cloud.wait_for(operation)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    cloud.mend()
    send(cloud, environment, sent)  # SQS gives out again what nobody has deleted
    # As if the dead worker's lease had run out.
    released = "UPDATE actions_reaction SET due_at = decided_at WHERE state = 'pending'"
    with worker(environment, tmp_path / "log"):
        wait_until(environment, STORED, [(4,)], seconds=30)
        if query(environment, PENDING) != [(0,)]:
            query(environment, f"{released} RETURNING id")
        wait_until(environment, PENDING, [(0,)], seconds=30)
    assert_all_is_done(cloud, environment, instance)


def test_a_worker_that_is_killed_while_it_lifts_a_block_leaves_it_to_the_next(
    cloud: Cloud, environment: dict[str, str], tmp_path: Path
) -> None:
    unblocks = "SELECT state, count(*) FROM actions_reaction WHERE kind = 'UNBLOCK' GROUP BY 1"
    send(cloud, environment, [attack(1)])
    with worker(environment, tmp_path / "log"):
        wait_until(environment, "SELECT state FROM actions_reaction", [("done",)], seconds=30)
    ended = "UPDATE actions_reaction SET ends_at = decided_at, lifts_at = decided_at RETURNING id"
    query(environment, ended)
    cloud.asked.clear()
    cloud.hang("UpdateIPSet", after=True)  # before the commit
    with worker(environment, tmp_path / "log") as process:
        cloud.wait_for("UpdateIPSet")
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    cloud.mend()
    assert query(environment, unblocks) == [("pending", 1)]
    # As if the dead worker's lease had run out.
    query(
        environment,
        "UPDATE actions_reaction SET due_at = decided_at WHERE state = 'pending' RETURNING id",
    )
    with worker(environment, tmp_path / "log"):
        wait_until(environment, PENDING, [(0,)], seconds=30)
    assert query(environment, unblocks) == [("done", 1)]
    assert cloud.addresses(environment["BLOCK_IP_SETS"]) == set()
    assert cloud.prefixes(environment["BLOCK_PREFIX_LISTS"]) == set()


def test_it_stops_when_it_is_told_to(
    cloud: Cloud, environment: dict[str, str], tmp_path: Path
) -> None:
    with worker(environment, tmp_path / "log") as process:
        cloud.wait_for("ReceiveMessage")
        send(cloud, environment, [attack(1)])
        wait_until(environment, STORED, [(1,)], seconds=30)
        cloud.wait_for("ReceiveMessage", times=2)  # it will not be answered for 20 seconds
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0  # within 2 seconds, where the machine is not busy
    log = (tmp_path / "log").read_text()
    assert "Stopped." in log
    assert "Traceback" not in log


def test_an_aws_that_hangs_holds_up_no_finding(
    cloud: Cloud, environment: dict[str, str], tmp_path: Path
) -> None:
    cloud.hang("GetIPSet")
    with worker(environment, tmp_path / "log"):
        send(cloud, environment, [attack(1)])
        cloud.wait_for("GetIPSet")
        send(cloud, environment, [attack(number) for number in range(2, 30)])
        wait_until(environment, STORED, [(29,)], seconds=20)


@every_database
def test_two_workers_share_a_queue_and_lose_nothing(
    cloud: Cloud, environment: dict[str, str], tmp_path: Path
) -> None:
    count = 600
    environment = environment | {"BLOCK_PREFIX_LISTS": ""}  # it takes 100 at a time
    sent = [attack(number) for number in range(count)]
    # Ten in each message, as moto's queue takes its time; and every seventh message twice.
    messages = [{"findings": sent[start : start + 10]} for start in range(0, count, 10)]
    send(cloud, environment, messages + messages[::7])
    with worker(environment, tmp_path / "a"), worker(environment, tmp_path / "b"):
        wait_until(environment, STORED, [(count,)], seconds=240)
        wait_until(environment, PENDING, [(0,)], seconds=60)
    assert query(
        environment, "SELECT kind, state, count(*) FROM actions_reaction GROUP BY 1, 2"
    ) == [("BLOCK", "done", count)]
    assert len(cloud.addresses(environment["BLOCK_IP_SETS"])) == count
    for log in ("a", "b"):
        assert "Traceback" not in (tmp_path / log).read_text()


@every_database
def test_two_workers_that_start_put_back_what_a_stack_update_took_out(
    cloud: Cloud, environment: dict[str, str], tmp_path: Path
) -> None:
    send(cloud, environment, [attack(number) for number in range(1, 4)])
    with worker(environment, tmp_path / "log"):
        wait_until(environment, "SELECT count(*) FROM actions_attempt", [(3,)], seconds=30)
    blocked = cloud.addresses(environment["BLOCK_IP_SETS"])
    assert len(blocked) == 3
    waf = cloud.client("wafv2")
    name, ip_set_id = environment["BLOCK_IP_SETS"].split("/")[-2:]
    which = {"Name": name, "Scope": "REGIONAL", "Id": ip_set_id}
    waf.update_ip_set(**which, Addresses=[], LockToken=waf.get_ip_set(**which)["LockToken"])
    put_back = "SELECT count(*) FROM actions_attempt WHERE answer LIKE '%put back%'"
    with worker(environment, tmp_path / "a"), worker(environment, tmp_path / "b"):
        wait_until(environment, put_back, [(3,)], seconds=30)
    assert cloud.addresses(environment["BLOCK_IP_SETS"]) == blocked
    assert ((tmp_path / "a").read_text() + (tmp_path / "b").read_text()).count("Put back 3") == 1
