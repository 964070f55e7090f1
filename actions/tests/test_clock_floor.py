"""Which times of AWS count for the license, and that those in a finding do not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
import time_machine
from moto import mock_aws

from actions import worker
from actions.tests.attacks import attack
from conftest import install
from findings.models import Finding
from license import clock, status
from license.clock import Source
from license.tests.keys import make_license
from serving import aws_clock, sqs
from serving.sqs import Queue
from tests.aws import Cloud

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # dates of AWS

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
SENT = BEGIN + timedelta(days=3)
RECEIVED = BEGIN + timedelta(days=4)
HOST = "https://sqs.eu-central-1.amazonaws.com"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    """A session of a worker, to AWS's own endpoints, which are simulated."""
    monkeypatch.setattr(sqs, "LONG_POLL", 0)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        session = boto3.Session(region_name="eu-central-1")
        aws_clock.listen(session, clock.heard)
        yield session


def test_aws_vouches_for_the_time_and_a_finding_for_none(aws: boto3.Session) -> None:
    install(make_license(not_before=BEGIN, days=30))
    queue = Queue(aws, f"{HOST}/123456789012/findings")
    other = boto3.client("sqs", "eu-central-1")  # of another program
    other.create_queue(QueueName="findings")
    forged = attack(1) | dict.fromkeys(("createdAt", "updatedAt"), "2099-01-01T00:00:00Z")
    with time_machine.travel(SENT, tick=False):
        other.send_message(QueueUrl=queue.url, MessageBody=json.dumps(forged))
    with time_machine.travel(RECEIVED, tick=False):
        worker.receive(queue, threading.Event())
        clock.memory.store()
    assert Finding.objects.count() == 1
    assert clock.seen() == {
        Source.AWS: RECEIVED,
        Source.SQS: SENT,
        Source.RUNNING: RECEIVED,
    }
    assert status.current(RECEIVED).allows_writes
    assert status.current(BEGIN).now == RECEIVED


def test_an_error_of_aws_tells_the_time_too(aws: boto3.Session) -> None:
    with time_machine.travel(SENT, tick=False), pytest.raises(Exception, match="NonExistentQueue"):
        Queue(aws, f"{HOST}/123456789012/none").receive()
    clock.memory.store()
    assert clock.seen()[Source.AWS] == SENT


def test_an_endpoint_that_is_not_of_aws_vouches_for_nothing(
    cloud: Cloud, queue: Queue, session: boto3.Session
) -> None:
    heard: list[Any] = []
    aws_clock.listen(session, lambda *told: heard.append(told))
    again = Queue(session, queue.url)
    again.receive()
    again.count()
    assert again.counts
    assert heard == []


@pytest.mark.parametrize(
    ("url", "date", "heard"),
    [
        ("https://sqs.cn-north-1.amazonaws.com.cn/", "Thu, 01 Jan 2026 00:00:00 GMT", [BEGIN]),
        ("https://s3.dualstack.eu-central-1.api.aws/", "Thu, 01 Jan 2026 00:00:00 GMT", [BEGIN]),
        ("http://sqs.eu-central-1.amazonaws.com/", "Thu, 01 Jan 2026 00:00:00 GMT", []),
        ("https://amazonaws.com.example/", "Thu, 01 Jan 2026 00:00:00 GMT", []),
        ("https://evilamazonaws.com/", "Thu, 01 Jan 2026 00:00:00 GMT", []),
        ("https://sqs.eu-central-1.amazonaws.com/", "tomorrow", []),
        ("https://sqs.eu-central-1.amazonaws.com/", "", []),
    ],
)
def test_only_dates_of_aws_over_https_count(url: str, date: str, heard: list[datetime]) -> None:
    session = boto3.Session(region_name="eu-central-1")
    told: list[datetime] = []
    aws_clock.listen(session, lambda source, at: told.append(at))
    answer = _Answer(url, {"Date": date})
    session.events.emit("after-call.any.Call", http_response=answer, parsed={})
    assert told == heard


class _Answer:
    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self.url, self.headers = url, headers
