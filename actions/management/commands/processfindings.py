from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from actions import containment, worker
from actions.aws.sqs import Queue, region_of


class Command(BaseCommand):
    help = (
        "Takes findings from the queue FINDINGS_QUEUE_URL, and carries out what the policy asks"
        " for, until it is told to stop (SIGTERM, or Ctrl-C): then it finishes what is in hand."
        " Run as many of it as you like, on as many machines. Without FINDINGS_QUEUE_URL it only"
        " carries out actions."
    )

    def handle(self, **options: Any) -> None:
        stop = threading.Event()

        def end(number: int, frame: FrameType | None) -> None:
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        try:
            # Most services have their region in an address or an ARN. The rest follow the queue's:
            # containers have AWS_REGION, which boto3 does not read.
            region = boto3.Session().region_name or region_of(settings.FINDINGS_QUEUE_URL)
            session = boto3.Session(region_name=region or "us-east-1")
            queue = None
            if settings.FINDINGS_QUEUE_URL:
                queue = Queue(session, settings.FINDINGS_QUEUE_URL)
        except (BotoCoreError, ValueError) as error:
            msg = f"AWS cannot be asked. {error}"
            raise CommandError(msg) from error
        whence = settings.FINDINGS_QUEUE_URL or "no queue: FINDINGS_QUEUE_URL is not set"
        self.stdout.write(
            f"Findings come from {whence}. Containment is"
            f" {'on' if containment.is_on() else 'a dry run: nothing is done on AWS'}."
        )
        self.stdout.flush()
        worker.run(queue, session, stop)
        self.stdout.write("Stopped.")
