"""What the worker reports each minute: the metrics for CloudWatch's alarms, and the queue's lag.

With LOG_FORMAT=json, it logs the metrics in CloudWatch's embedded metric format: CloudWatch Logs
makes metrics of such a line, and needs neither an agent nor a permission for it.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Collection, Mapping
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connections
from django.utils import timezone

from actions import breaker, heartbeat, metrics
from actions.heartbeat import Heart
from license import status
from serving.metrics import count_messages
from serving.sqs import Queue

logger = logging.getLogger(__name__)
embedded = logging.getLogger("threatreaction.metrics")

EVERY = 60.0  # seconds
TICK = 0.5  # seconds between checks of `stop`
NAMESPACE = "ThreatReaction"
UNITS = {
    "WorkerHeartbeat": "Count",
    "LicenseSecondsLeft": "Seconds",
    "WritesAllowed": "Count",
    "BreakerTripped": "Count",
    "OldestPendingSeconds": "Seconds",
    "PendingActions": "Count",
}


def run(stop: threading.Event, hearts: Collection[Heart], queue: Queue | None) -> None:
    """Reports as soon as all loops work, and then every EVERY seconds, until `stop` is set."""
    due = time.monotonic() + EVERY
    is_first = True
    while not stop.wait(TICK):
        if time.monotonic() < due and not (is_first and all(heart.works for heart in hearts)):
            continue
        due = time.monotonic() + EVERY
        is_first = False
        try:
            report(hearts, queue)
        except Exception:  # a bug must be logged and must not end the reports
            logger.exception("No report.")
    connections.close_all()


def report(hearts: Collection[Heart], queue: Queue | None) -> None:
    """Notes a sign of life and the lag of the queue, and logs the metrics if the log is JSON."""
    now = timezone.now()
    works = all(heart.works for heart in hearts)
    if queue:
        count_messages(queue)
    try:
        close_old_connections()
        heartbeat.note_worker(version=metrics.version(), works=works, now=now)
        if queue:
            heartbeat.note_queue(queue, now)
    except (DatabaseError, InterfaceError) as error:
        logger.error("The sign of life is not noted. %s", type(error).__name__)
    if settings.LOG_FORMAT == "json":
        values: dict[str, float] = {"WorkerHeartbeat": works}
        try:
            close_old_connections()
            values |= _of_database(now)
        except (DatabaseError, InterfaceError) as error:
            logger.error("The metrics of the database are missing. %s", type(error).__name__)
        embedded.info("%s", in_embedded_format(values, now))


def _of_database(now: datetime) -> dict[str, float]:
    found = status.current(now)
    seconds_left = metrics.license_seconds_left(found)
    waiting = list(metrics.pending())
    return {
        **({} if seconds_left is None else {"LicenseSecondsLeft": seconds_left}),
        "WritesAllowed": found.allows_writes,
        "BreakerTripped": breaker.tripped() is not None,
        "OldestPendingSeconds": metrics.seconds_since((oldest for _, _, oldest in waiting), now),
        "PendingActions": sum(count for _, count, _ in waiting),
    }


def in_embedded_format(values: Mapping[str, float], at: datetime) -> str:
    """Returns the metrics, named in UNITS, as a JSON object in CloudWatch's embedded format."""
    definition = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Deployment"]],
        "Metrics": [{"Name": name, "Unit": UNITS[name]} for name in values],
    }
    return json.dumps(
        {
            "_aws": {
                "Timestamp": int(at.timestamp() * 1000),
                "CloudWatchMetrics": [definition],
            },
            "Deployment": settings.DEPLOYMENT,
            **{name: float(value) for name, value in values.items()},
        }
    )
