"""What the worker reports each minute."""

from __future__ import annotations

import json
import logging
import os
import threading
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import heartbeat, monitor, worker
from actions.heartbeat import SILENT, Heart, Loop
from actions.models import Trip
from actions.tests.attacks import arrive, attack, set_action
from conftest import install
from license.tests.keys import make_license
from serving.metrics import WorkerCollector
from serving.sqs import Queue
from tests.aws import Cloud

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # metrics


@pytest.fixture(autouse=True)
def _json(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.LOG_FORMAT = "json"
    monkeypatch.setattr(monitor, "close_old_connections", lambda: None)  # it is the test's own


def reported(hearts: list[Heart], caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """Reports, and returns the metrics in the last line."""
    logger = logging.getLogger("threatreaction.metrics")
    logger.addHandler(caplog.handler)
    try:
        monitor.report(hearts, None)
    finally:
        logger.removeHandler(caplog.handler)
    found: dict[str, Any] = json.loads(caplog.messages[-1])
    return found


@pytest.mark.every_database  # queries
def test_the_alarms_see_license_breaker_and_backlog(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CONTAINMENT = "on"
    set_action("BLOCK")
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        install(make_license(not_before=now, days=30))
        arrive(attack(1), attack(2))
    Trip.objects.create(tripped_at=now, limit=1)
    with time_machine.travel(now + timedelta(minutes=10), tick=False):
        told = reported([], caplog)
    expected = {
        "LicenseSecondsLeft": 30 * 86400 - 600,
        "WritesAllowed": 1,
        "BreakerTripped": 1,
        "OldestPendingSeconds": 600,
        "PendingActions": 2,
    }
    assert {name: told[name] for name in expected} == pytest.approx(expected, abs=1)


def test_a_worker_that_only_fails_has_no_heartbeat(caplog: pytest.LogCaptureFixture) -> None:
    acting, receiving = Heart(Loop.ACT), Heart(Loop.RECEIVE)
    acting.beat()
    receiving.beat()
    assert reported([acting, receiving], caplog)["WorkerHeartbeat"] == 1
    assert receiving.worked_at
    receiving.worked_at -= SILENT
    receiving.move()  # it moves, and fails
    assert reported([acting, receiving], caplog)["WorkerHeartbeat"] == 0


def test_the_age_of_the_oldest_message_grows_until_it_is_ingested(
    cloud: Cloud, queue: Queue
) -> None:

    def told() -> dict[str, float]:
        metrics = WorkerCollector(timezone.now(), [], queue).collect()
        return {
            f"{one.name}{list(one.labels.values()) or ''}": one.value
            for metric in metrics
            for one in metric.samples
        }

    assert told() == {}  # nothing is known yet
    worker.receive(queue, threading.Event())
    assert told() == {"threatreaction_queue_oldest_message_seconds": 0}
    for number in range(12):
        cloud.client("sqs").send_message(
            QueueUrl=queue.url, MessageBody=json.dumps({"detail": attack(number)})
        )
    queue.count()
    assert told()["threatreaction_queue_messages['visible']"] == 12
    messages = queue.receive()
    queue.count()
    assert told()["threatreaction_queue_messages['visible']"] == 12 - len(messages)
    assert told()["threatreaction_queue_messages['in_flight']"] == len(messages)
    with time_machine.travel(timezone.now() + timedelta(minutes=5)):
        assert 299 < told()["threatreaction_queue_oldest_message_seconds"] < 360
        queue.delete(messages)
    assert 299 < told()["threatreaction_queue_oldest_message_seconds"] < 360  # as it was then


def test_a_queue_that_may_not_be_counted_is_told_and_keeps_no_old_count(
    cloud: Cloud, queue: Queue, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.WORKER_BIND, settings.METRICS_TOKEN = ("127.0.0.1", 0), "a-token-for-prometheus"
    queue.count()
    cloud.fail("GetQueueAttributes", "AccessDenied", status=403)
    monitor.report([], queue)
    assert queue.counts == {}
    assert "The messages in the queue were not counted. An error occurred (AccessDenied)" in (
        caplog.text
    )


@pytest.mark.every_database  # queries
def test_every_process_sees_what_a_worker_knows_of_the_queue(queue: Queue) -> None:
    monitor.report([], queue)
    (process,) = heartbeat.workers()
    assert process.is_alive
    assert process.works
    assert process.name.endswith(f":{os.getpid()}")
    lag = heartbeat.queue_lag()
    assert lag
    assert (lag.oldest, lag.waiting) == (None, None)
    queue.receive()
    queue.count()
    monitor.report([], queue)
    lag = heartbeat.queue_lag()
    assert lag
    assert (lag.oldest, lag.waiting) == (timedelta(0), 0)
