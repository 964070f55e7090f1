"""What one process of `manage.py processevents` did since it started, for its `GET /metrics`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from detectors.intake import Taken
from serving.heart import Heart
from serving.metrics import gauge


class Outcome(StrEnum):
    """What became of a file that a message named."""

    COUNTED = "counted"
    EMPTY = "empty"  # it has no event of a registered bucket
    REPEATED = "repeated"  # it was counted before
    SKIPPED = "skipped"  # it is no log file of CloudTrail, such as a digest file
    BROKEN = "broken"
    UNDELIVERED = "undelivered"  # S3 refused it or did not respond


class Meter:
    """Counts of one process. Its loop writes them; other threads can read them."""

    def __init__(self) -> None:
        self.heart = Heart("events")
        self.events = self.late = self.unreadable = self.findings = 0
        self.files: Counter[Outcome] = Counter()
        self.batch_at: float | None = None

    def take(self, taken: Taken) -> None:
        """Adds what became of a file or of single events."""
        self.events += taken.records - taken.late
        self.late += taken.late
        self.unreadable += taken.unreadable
        self.findings += taken.findings

    def take_file(self, taken: Taken) -> None:
        """Adds what became of a file that was read."""
        self.take(taken)
        if taken.is_repeated:
            self.files[Outcome.REPEATED] += 1
        else:
            self.files[Outcome.COUNTED if taken.records else Outcome.EMPTY] += 1

    def end_batch(self) -> None:
        """After the messages of a batch were deleted."""
        self.batch_at = time.monotonic()


class EventsCollector(Collector):
    """The counts as metrics."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter

    def describe(self) -> Iterable[Metric]:
        return []  # otherwise the registry collects once more, to learn the names

    def collect(self) -> Iterator[Metric]:
        meter = self.meter
        for name, text, value in (
            ("events", "Events of registered buckets that were counted.", meter.events),
            ("events_late", "Events that were not counted: over a day late.", meter.late),
            ("events_unreadable", "Events that were not readable.", meter.unreadable),
            ("event_findings", "Findings that were raised or updated.", meter.findings),
        ):
            family = CounterMetricFamily(f"threatreaction_{name}", text)
            family.add_metric([], value)
            yield family
        family = CounterMetricFamily(
            "threatreaction_event_files",
            "Files that messages named, by what became of them; each time that one was named.",
            labels=["outcome"],
        )
        for outcome in Outcome:
            family.add_metric([outcome], meter.files[outcome])
        yield family
        if meter.batch_at is not None:
            yield gauge(
                "events_last_batch_seconds",
                "Seconds since this process last finished a batch of messages. Absent before it.",
                value=time.monotonic() - meter.batch_at,
            )
