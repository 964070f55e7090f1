from __future__ import annotations

import logging
import signal
import threading
from types import FrameType
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from actions import containment, monitor, worker
from actions.metrics import DatabaseCollector
from serving.metrics import WorkerCollector
from serving.sqs import Queue, region_of
from serving.worker_server import server_of

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """`manage.py processfindings`. Raises CommandError if the AWS configuration is invalid."""

    help = (
        "Ingests findings from the queue FINDINGS_QUEUE_URL and carries out the policy's actions"
        " until it receives SIGTERM or Ctrl-C; then it finishes the work in progress. You can run"
        " any number of these processes on any number of machines. Without FINDINGS_QUEUE_URL it"
        " only carries out actions."
    )

    def handle(self, **options: Any) -> None:
        stop = threading.Event()

        def end(number: int, frame: FrameType | None) -> None:
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        try:
            # Most services get their region from a URL or an ARN. The rest use the queue's region:
            # containers set AWS_REGION, which boto3 does not read.
            region = boto3.Session().region_name or region_of(settings.FINDINGS_QUEUE_URL)
            session = boto3.Session(region_name=region or "us-east-1")
            queue = None
            if settings.FINDINGS_QUEUE_URL:
                queue = Queue(session, settings.FINDINGS_QUEUE_URL)
        except (BotoCoreError, ValueError) as error:
            msg = f"The AWS configuration is invalid. {error}"
            raise CommandError(msg) from error
        hearts = worker.hearts_of(queue)
        server = server_of(
            hearts.values(),
            lambda now: [DatabaseCollector(now), WorkerCollector(now, hearts.values(), queue)],
        )
        queue_name = settings.FINDINGS_QUEUE_URL or "none (FINDINGS_QUEUE_URL is not set)"
        # As JSON, both streams of the container are the log.
        say = logger.info if settings.LOG_FORMAT == "json" else self.stdout.write
        say(
            f"Queue: {queue_name}. Containment:"
            f" {'on' if containment.is_on() else 'dry run, nothing changes in AWS'}."
        )
        self.stdout.flush()
        with server:
            about = (stop, hearts.values(), queue)
            threading.Thread(target=monitor.run, args=about, daemon=True).start()
            worker.run(queue, session, stop, hearts)
        say("Stopped.")
