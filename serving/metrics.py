"""What the metrics of all processes have in common, and what every worker tells of itself."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from serving.heart import Heart
from serving.sqs import Queue

logger = logging.getLogger(__name__)

# Of the database, at one instant: those of apps above that of the other metrics.
MakeCollector = Callable[[datetime], Collector]
_more: list[MakeCollector] = []


def register(make: MakeCollector) -> MakeCollector:
    """Registers metrics that the portal and `manage.py processfindings` serve."""
    _more.append(make)
    return make


def more(now: datetime) -> list[Collector]:
    """Returns the collectors that are registered."""
    return [make(now) for make in _more]


def is_authorized(header: str) -> bool:
    """Whether an Authorization header has METRICS_TOKEN as its bearer token."""
    scheme, _, token = header.partition(" ")
    is_known = secrets.compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode())
    return bool(settings.METRICS_TOKEN) and scheme.lower() == "bearer" and is_known


def count_messages(queue: Queue) -> None:
    """Updates the counts of the queue if /metrics of this worker tells them. Logs errors of AWS."""
    if settings.WORKER_BIND and settings.METRICS_TOKEN:
        try:
            queue.count()
        except (BotoCoreError, ClientError) as error:
            queue.counts = {}
            logger.warning("The messages in the queue were not counted. %s", error)


class WorkerCollector(Collector):
    """What only this process of the worker knows."""

    def __init__(self, now: datetime, hearts: Collection[Heart], queue: Queue | None) -> None:
        self.now, self.hearts, self.queue = now, hearts, queue

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        yield gauge(
            "worker_round_seconds",
            "Seconds since this process last finished a round of this loop, also with an error.",
            ["loop"],
            {(heart.loop,): time.monotonic() - heart.moved_at for heart in self.hearts},
        )
        if self.queue is None:
            return
        yield gauge(
            "queue_messages",
            "Messages in the queue, as SQS counted them approximately within the last minutes.",
            ["state"],
            {(state,): count for state, count in self.queue.counts.items()},
        )
        age = self.queue.oldest_seconds(self.now)
        if age is not None:
            yield gauge(
                "queue_oldest_message_seconds",
                "Age of the oldest message that this process received last; 0 if the queue had"
                " none. Absent before the first answer of the queue.",
                value=age,
            )


def gauge(
    name: str,
    text: str,
    labels: Iterable[str] = (),
    values: dict[tuple[str, ...], float] | None = None,
    *,
    value: float = 0,
) -> Metric:
    """Returns a gauge with one `value`, or with a value for each combination of the labels."""
    family = GaugeMetricFamily(f"threatreaction_{name}", text, labels=list(labels))
    for labelled, number in ({(): value} if values is None else values).items():
        family.add_metric(list(labelled), number)
    return family
