"""The queue delivers findings at least once, and the worker ingests each once."""

from __future__ import annotations

import json
import threading
from typing import Any

import boto3
import pytest
from django.db import DataError, OperationalError, connection, connections
from pytest_django.fixtures import Settings

from actions import ingest, worker
from actions.models import Reaction
from actions.tests.attacks import attack, set_action
from findings.models import AccountSum, Finding
from serving import sqs
from serving.sqs import Queue
from tests.aws import Cloud

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # the queue


def send(cloud: Cloud, queue: Queue, *bodies: Any) -> None:
    for body in bodies:
        text = body if isinstance(body, str) else json.dumps(body)
        cloud.client("sqs").send_message(QueueUrl=queue.url, MessageBody=text)


def event(detail: Any) -> dict[str, Any]:
    return {"detail-type": "GuardDuty Finding", "source": "aws.guardduty", "detail": detail}


def left(cloud: Cloud, queue: Queue) -> int:
    """Returns the messages that are still in the queue."""
    attributes = cloud.client("sqs").get_queue_attributes(
        QueueUrl=queue.url, AttributeNames=["All"]
    )["Attributes"]
    return sum(
        int(attributes[f"ApproximateNumberOfMessages{which}"]) for which in ("", "NotVisible")
    )


@pytest.mark.every_database  # transactions
def test_a_message_is_deleted_once_its_finding_is_stored(cloud: Cloud, queue: Queue) -> None:
    set_action("BLOCK")
    send(cloud, queue, *(event(attack(number)) for number in range(12)), event(attack(1)))
    for _ in range(2):
        worker.receive(queue, threading.Event())
    assert left(cloud, queue) == 0
    assert Finding.objects.count() == 12
    assert Reaction.objects.filter(kind="BLOCK").count() == 12


@pytest.mark.parametrize(
    ("body", "reason"), [("not JSON", "not JSON"), ('"text"', "neither an object"), ("7", "array")]
)
def test_a_poison_message_goes_to_the_dead_letter_queue_and_the_log_says_why(
    cloud: Cloud, session: boto3.Session, monkeypatch: pytest.MonkeyPatch, body: str, reason: str,
    settings: Settings, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(sqs, "LONG_POLL", 0)
    monkeypatch.setattr(sqs, "VISIBILITY", 0)
    dead = cloud.client("sqs").create_queue(QueueName="dead")["QueueUrl"]
    redrive = {
        "deadLetterTargetArn": "arn:aws:sqs:eu-central-1:123456789012:dead",
        "maxReceiveCount": "2",
    }
    settings.FINDINGS_QUEUE_URL = cloud.queue(RedrivePolicy=json.dumps(redrive))
    queue = Queue(session, settings.FINDINGS_QUEUE_URL)
    send(cloud, queue, body)
    for _ in range(3):
        worker.receive(queue, threading.Event())
    (message,) = cloud.client("sqs").receive_message(QueueUrl=dead)["Messages"]
    assert message["Body"] == body
    assert reason in caplog.text
    assert body not in caplog.text or body in reason or body == "7"


@pytest.mark.every_database  # transactions
@pytest.mark.parametrize("error", [DataError, ValueError])
def test_one_that_cannot_be_stored_keeps_no_other_out(
    cloud: Cloud, queue: Queue, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    taking = ingest.ingest

    def refuses_number_2(findings: Any, **more: Any) -> Any:
        if any(one["id"] == f"{2:032x}" for one in findings):
            raise error
        return taking(findings, **more)

    monkeypatch.setattr(ingest, "ingest", refuses_number_2)
    send(cloud, queue, *(event(attack(number)) for number in range(5)))
    worker.receive(queue, threading.Event())
    assert Finding.objects.count() == 4
    assert left(cloud, queue) == 1


@pytest.mark.every_database  # a database that fails
def test_while_the_database_is_away_no_message_is_received(
    cloud: Cloud, queue: Queue, settings: Settings
) -> None:
    send(cloud, queue, event(attack()))
    cloud.asked.clear()
    nowhere = {"ENGINE": "django.db.backends.postgresql", "NAME": "none", "HOST": "/nowhere"}
    away = connection.copy()
    away.settings_dict = away.settings_dict | nowhere
    if connection.vendor == "sqlite":
        away.settings_dict = connection.settings_dict | {"NAME": "/nowhere/at/all.sqlite3"}
    kept = connections["default"]
    connections["default"] = away
    try:
        with pytest.raises(OperationalError):
            worker.receive(queue, threading.Event())
    finally:
        connections["default"] = kept
    assert "ReceiveMessage" not in cloud.asked


def test_an_object_that_is_no_finding_is_kept_and_an_event_of_another_kind_is_not(
    cloud: Cloud, queue: Queue
) -> None:
    send(cloud, queue, event({"accountId": 7}), {"detail-type": "Scheduled Event", "detail": {}})
    worker.receive(queue, threading.Event())
    assert Finding.objects.get().problem
    assert left(cloud, queue) == 0


def test_the_visibility_is_extended_while_work_lasts(
    cloud: Cloud, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqs, "VISIBILITY", 2)
    send(cloud, queue, event(attack()))
    messages = queue.receive()
    with queue.being_extended(messages):
        threading.Event().wait(3)
        assert queue.receive() == []
    assert cloud.asked.count("ChangeMessageVisibilityBatch") >= 3


@pytest.mark.every_database  # queries
def test_the_worker_repairs_sums_that_a_version_without_them_left_behind(
    cloud: Cloud, queue: Queue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    send(cloud, queue, event(attack(1)))
    worker.receive(queue, threading.Event())
    AccountSum.objects.all().delete()
    monkeypatch.setattr(worker, "AFTER_AN_UPGRADE", 0)
    monkeypatch.setattr(worker, "RECOUNT_EVERY", 0)
    monkeypatch.setattr(connections, "close_all", lambda: None)  # the test's transaction
    worker.recount(threading.Event())
    assert AccountSum.objects.get().findings == 1
    assert "account sums" in caplog.text
