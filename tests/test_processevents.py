"""From the queue and S3 to the sums and findings, each once, whatever fails; and the policy."""

from __future__ import annotations

import json
import threading
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
import requests
import time_machine
from botocore.exceptions import ClientError
from django.db.models import Sum as SumOf
from prometheus_client.parser import text_string_to_metric_families
from pytest_django.fixtures import Settings

from actions.models import Reaction
from actions.tests.attacks import set_action
from detectors import detection, worker
from detectors.meter import EventsCollector, Meter, Outcome
from detectors.models import Mark, Sum
from detectors.tags import Tags
from detectors.tests.taking import EXFILTRATION, found, many, take
from detectors.tests.traffic import ACCOUNT, NOW, bucket, file_key, packed, record, role
from findings.models import Finding
from serving import metrics, sqs
from serving.heart import STUCK
from serving.metrics import WorkerCollector
from serving.sqs import Queue
from serving.worker_server import WorkerServer
from tests import aws, roles
from tests.aws import Cloud

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _at_noon() -> Any:
    with time_machine.travel(NOW):
        yield


@pytest.fixture
def queue(cloud: Cloud, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Queue:
    """The queue of events, which a receive does not wait for, and a bucket for the trail."""
    monkeypatch.setattr(sqs, "LONG_POLL", 0)
    monkeypatch.setattr(sqs, "VISIBILITY", 0)
    where = {"LocationConstraint": aws.REGION}
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=roles.TRAIL_BUCKET, CreateBucketConfiguration=where)
    settings.EVENTS_QUEUE_URL = cloud.queue()
    return Queue(held(), settings.EVENTS_QUEUE_URL)


@pytest.fixture
def s3(queue: Queue) -> Any:
    return worker.s3_of(held())


def held() -> boto3.Session:
    """Returns a session that is held to the role of the task."""
    session = boto3.Session(region_name=aws.REGION)
    roles.hold(session, roles.EVENTS, lambda role, permission: made.add(permission))
    return session


made: set[str] = set()  # calls, by permission


def deliver(cloud: Cloud, queue: Queue, content: bytes | None, *, number: int = 1) -> None:
    """Puts a log file into the bucket and its notification into the queue."""
    key = file_key(number)
    if content is not None:
        cloud.client("s3").put_object(Bucket="trail", Key=key, Body=content)
    detail = {"bucket": {"name": "trail"}, "object": {"key": key}}
    send(cloud, queue, {"detail-type": "Object Created", "detail": detail})


def send(cloud: Cloud, queue: Queue, body: Any) -> None:
    cloud.client("sqs").send_message(QueueUrl=queue.url, MessageBody=json.dumps(body))


def left(cloud: Cloud, queue: Queue) -> int:
    queue.count()
    return sum(queue.counts.values())


def total() -> int:
    return Sum.objects.aggregate(n=SumOf("count"))["n"] or 0


def test_a_log_file_is_counted_and_its_finding_raised(cloud: Cloud, queue: Queue, s3: Any) -> None:
    bucket()
    content = packed(record() for _ in range(120))
    deliver(cloud, queue, content)
    deliver(cloud, queue, content)  # SQS delivers at least once
    worker.receive(queue, s3, threading.Event())
    assert (total(), left(cloud, queue)) == (120, 0)
    assert Finding.objects.get().count == 1


def test_a_file_that_was_written_again_is_another_file(cloud: Cloud, queue: Queue, s3: Any) -> None:
    bucket()
    for count in (3, 4):
        deliver(cloud, queue, packed(record() for _ in range(count)))
        worker.receive(queue, s3, threading.Event())
    assert total() == 7


@pytest.mark.one_database  # files
def test_a_broken_file_costs_no_other_and_is_named(
    cloud: Cloud, queue: Queue, s3: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bucket()
    deliver(cloud, queue, b"broken", number=1)
    deliver(cloud, queue, packed([record()]), number=2)
    deliver(cloud, queue, None, number=3)
    send(cloud, queue, {"detail": {"eventName": "GetObject", "userIdentity": {}}})
    single = record("HeadObject")
    send(cloud, queue, {"detail-type": "AWS API Call via CloudTrail", "detail": single})
    worker.receive(queue, s3, threading.Event())
    assert total() == 1
    assert Sum.objects.get(operation="list").single_count == 1
    assert left(cloud, queue) == 2
    assert f"s3://trail/{file_key(1)} is broken. It is not gzipped" in caplog.text
    assert f"s3://trail/{file_key(3)} does not exist." in caplog.text


@pytest.mark.one_database  # calls to AWS
def test_a_file_that_s3_does_not_deliver_stays_in_the_queue(
    cloud: Cloud, queue: Queue, s3: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bucket()
    deliver(cloud, queue, packed([record()]))
    cloud.fail("GET", "AccessDenied", status=403, times=1)
    worker.receive(queue, s3, threading.Event())
    assert (total(), left(cloud, queue)) == (0, 1)
    assert "AccessDenied" in caplog.text
    worker.receive(queue, s3, threading.Event())
    assert (total(), left(cloud, queue)) == (1, 0)


@pytest.mark.one_database  # calls to AWS
def test_the_role_allows_all_that_is_needed_and_no_more(
    cloud: Cloud, queue: Queue, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.clear()
    deliver(cloud, queue, packed([record(), record(by=role())]))
    bucket(allowed="tag job=backup")
    iam = cloud.client("iam")
    iam.create_user(UserName="eve")
    job = [{"Key": "job", "Value": "backup"}]
    iam.create_role(RoleName="app", AssumeRolePolicyDocument="{}", Tags=job)
    tags_of = Tags(held())
    monkeypatch.setattr(sqs, "VISIBILITY", 1)
    queue.count()
    with queue.being_extended(queue.receive()):
        cloud.wait_for("ChangeMessageVisibilityBatch")
    while total() == 0:  # from the end of the visibility
        worker.receive(queue, s3, threading.Event(), tags_of=tags_of)
    asked = [one for one in cloud.asked if one.startswith("List")]
    assert tags_of(f"arn:aws:iam::{ACCOUNT}:role/path/app") == {"job": "backup"}
    assert tags_of("arn:aws:iam::999988887777:role/app") == {}
    assert tags_of(f"arn:aws:iam::{ACCOUNT}:role/gone") == {}
    assert [one for one in cloud.asked if one.startswith("List")][len(asked) :] == [
        "ListRoleTags",
        "ListRoleTags",
    ]
    cloud.fail("ListUserTags", "ServiceUnavailable", status=503)
    for name in ("eve", "ann", "bob"):
        assert tags_of(f"arn:aws:iam::{ACCOUNT}:user/new/{name}") == {}
    # Two tries for the first of them, and none for the others.
    assert cloud.asked[-2:] == ["ListUserTags"] * 2
    assert cloud.asked.count("ListUserTags") == 2 + asked.count("ListUserTags")
    assert tags_of(f"arn:aws:iam::{ACCOUNT}:role/path/app") == {"job": "backup"}
    # tests/test_database_secret.py shows that each process reads the password of the database.
    assert roles.permissions(roles.EVENTS) - made == {"secretsmanager:GetSecretValue"}
    cloud.client("s3").create_bucket(
        Bucket="other", CreateBucketConfiguration={"LocationConstraint": aws.REGION}
    )
    with pytest.raises(ClientError, match="does not allow s3:GetObject on arn:aws:s3:::other/x"):
        s3.get_object(Bucket="other", Key="x")


@pytest.mark.one_database  # metrics
def test_its_health_and_counts_are_told(
    cloud: Cloud, queue: Queue, s3: Any, settings: Settings
) -> None:
    bucket()
    settings.METRICS_TOKEN = "a-token-for-prometheus"
    settings.WORKER_BIND = ("127.0.0.1", 0)
    late = record(at=NOW - timedelta(days=2))
    deliver(cloud, queue, packed([*(record() for _ in range(120)), late]), number=1)
    deliver(cloud, queue, packed([record(bucket="other")]), number=2)
    deliver(cloud, queue, b"broken", number=3)
    deliver(cloud, queue, None, number=4)
    send(cloud, queue, {"Event": "s3:TestEvent"})
    single = record("HeadObject")
    send(cloud, queue, {"detail-type": "AWS API Call via CloudTrail", "detail": single})
    meter = Meter()
    worker.receive(queue, s3, threading.Event(), meter)
    metrics.count_messages(queue)
    deliver(cloud, queue, None, number=1)
    worker.receive(queue, s3, threading.Event(), meter)

    def collectors(now: datetime) -> list[Any]:
        return [WorkerCollector(now, [meter.heart], queue), EventsCollector(meter)]

    with WorkerServer(("127.0.0.1", 0), [meter.heart], collectors) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        bearer = {"Authorization": f"Bearer {settings.METRICS_TOKEN}"}
        assert requests.get(f"{url}/metrics", timeout=10).status_code == 401
        answer = requests.get(f"{url}/metrics", headers=bearer, timeout=10)
        assert requests.get(f"{url}/healthz", timeout=10).json()["loops"] == {"events": "ok"}
        assert requests.get(f"{url}/readyz", timeout=10).status_code == 200
        meter.heart.moved_at -= STUCK + 1
        assert requests.get(f"{url}/healthz", timeout=10).status_code == 503
    told = {
        f"{sample.name.removeprefix('threatreaction_')}{list(sample.labels.values()) or ''}": (
            sample.value
        )
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert told["events_total"] == 121
    assert told["events_late_total"] == 1
    assert told["event_findings_total"] >= 1
    files = {one: told[f"event_files_total['{one}']"] for one in Outcome}
    assert files == {
        Outcome.COUNTED: 1,
        Outcome.EMPTY: 1,
        Outcome.REPEATED: 1,
        Outcome.SKIPPED: 1,
        Outcome.BROKEN: 4,  # two, twice
        Outcome.UNDELIVERED: 0,
    }
    assert 0 <= told["events_last_batch_seconds"] < 60
    assert told["queue_messages['visible']"] == 2
    assert "queue_oldest_message_seconds" in told


class Killed(BaseException):
    pass


@pytest.mark.parametrize("where", ["before the commit", "after the commit"])
def test_a_worker_that_is_killed_counts_nothing_twice(
    cloud: Cloud, queue: Queue, s3: Any, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    bucket()
    deliver(cloud, queue, packed(record() for _ in range(120)))

    def die(*args: Any, **more: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        if where == "before the commit":
            patched.setattr(detection, "judge", die)
        else:
            patched.setattr(queue, "delete", die)
        with pytest.raises(Killed):
            worker.receive(queue, s3, threading.Event())
    assert Mark.objects.exists() is (where == "after the commit")
    worker.receive(queue, s3, threading.Event())
    assert (total(), left(cloud, queue), Finding.objects.get().count) == (120, 0, 1)


@pytest.mark.one_database  # calls to AWS
def test_a_stranger_cannot_have_a_namesake_revoked() -> None:
    """Its role is named like one of the account, and REVOKE would act on that."""
    set_action("REVOKE", finding_type=EXFILTRATION)
    bucket()
    stranger = role("admin") | {"accountId": "999988887777"}
    take(*many(200, by=stranger))
    assert found() == [EXFILTRATION]
    assert list(Reaction.objects.values_list("target", flat=True)) == [""]
    assert "names no credential" in Reaction.objects.get().outcome


def test_the_policy_contains_the_actor_of_our_finding() -> None:
    set_action("REVOKE", finding_type=EXFILTRATION)
    bucket()
    take(*many(200, by=role("app", session="laptop")))
    role_of_app, key = Reaction.objects.order_by("target_kind")[::-1]
    assert (role_of_app.target, role_of_app.state) == ("app", "dry run")
    assert "temporary key" in key.outcome
