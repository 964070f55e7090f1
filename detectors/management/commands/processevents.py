from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from detectors import worker
from detectors.meter import EventsCollector, Meter
from license import clock
from serving.commands import session_and_queue, stop_event
from serving.metrics import WorkerCollector
from serving.worker_server import server_of

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """`manage.py processevents`. Raises CommandError if the AWS configuration is invalid."""

    help = (
        "Counts the S3 events of registered buckets that CloudTrail delivers to the queue"
        " EVENTS_QUEUE_URL, and raises findings, until it receives SIGTERM or Ctrl-C. You can run"
        " any number of these processes on any number of machines."
    )

    def handle(self, **options: Any) -> None:
        if not settings.EVENTS_QUEUE_URL:
            msg = "EVENTS_QUEUE_URL is not set. It is the queue of the trail's notifications."
            raise CommandError(msg)
        stop = stop_event()
        session, queue = session_and_queue(settings.EVENTS_QUEUE_URL, clock.heard)
        assert queue  # noqa: S101  (it has a URL)
        s3 = worker.s3_of(session)
        meter = Meter()
        server = server_of(
            [meter.heart],
            lambda now: [WorkerCollector(now, [meter.heart], queue), EventsCollector(meter)],
        )
        # As JSON, both streams of the container are the log.
        say = logger.info if settings.LOG_FORMAT == "json" else self.stdout.write
        say(f"Queue: {settings.EVENTS_QUEUE_URL}.")
        self.stdout.flush()
        with server:
            worker.run(queue, s3, stop, meter)
        say("Stopped.")
