"""What the commands of workers share."""

from __future__ import annotations

import signal
import threading
from types import FrameType

import boto3
from botocore.exceptions import BotoCoreError
from django.core.management.base import CommandError

from serving import aws_clock
from serving.aws_clock import Heard
from serving.sqs import Queue, region_of


def stop_event() -> threading.Event:
    """Returns an event that SIGTERM and Ctrl-C set. Call it in the main thread."""
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    return stop


def session_and_queue(queue_url: str, heard: Heard) -> tuple[boto3.Session, Queue | None]:
    """Returns the session of a worker, and its queue; None without a URL.

    Most services get their region from a URL or an ARN. The rest use the region of the queue:
    containers set AWS_REGION, which boto3 does not read. Calls `heard` with the times in
    answers of AWS. Raises CommandError if the AWS configuration is invalid.
    """
    try:
        region = boto3.Session().region_name or region_of(queue_url)
        session = boto3.Session(region_name=region or "us-east-1")
        aws_clock.listen(session, heard)
        return session, Queue(session, queue_url) if queue_url else None
    except (BotoCoreError, ValueError) as error:
        msg = f"The AWS configuration is invalid. {error}"
        raise CommandError(msg) from error
