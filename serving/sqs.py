"""The SQS queues from which workers receive messages."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.utils import timezone

from serving import logs

logger = logging.getLogger(__name__)

LONG_POLL = 20  # seconds, the longest that SQS waits for a message
BATCH = 10  # messages, the most that SQS returns at once
VISIBILITY = 60  # seconds for which a received message is hidden from other consumers
STOP_CHECK = 0.2  # seconds between checks of `stop` during a poll


class Message(NamedTuple):
    """A message received from the queue."""

    message_id: str
    receipt: str
    body: str
    trace: str  # AWS's trace ID if the sender set one, else the message ID
    sent_at: datetime


class Queue:
    """A client of one SQS queue, identified by its URL.

    The constructor and the methods raise BotoCoreError and ClientError, except `being_extended`,
    which logs them.
    """

    # By state, as SQS last told it. Approximate, and empty if it never did.
    counts: Mapping[str, int]

    def __init__(self, session: boto3.Session, url: str) -> None:
        self.url = url
        self.counts = {}
        self._was_asked = False
        self._oldest: datetime | None = None  # of the messages received last
        self._taken_at: datetime | None = None  # when these were deleted
        self._sqs: Any = session.client(
            "sqs",
            region_name=region_of(url),
            config=Config(
                connect_timeout=5,
                read_timeout=LONG_POLL + 10,
                retries={"mode": "standard", "total_max_attempts": 3},
            ),
        )

    def receive(self) -> list[Message]:
        """Returns the next messages, at most BATCH; waits up to LONG_POLL seconds for one."""
        answer = self._sqs.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=LONG_POLL,
            VisibilityTimeout=VISIBILITY,
            MessageSystemAttributeNames=["AWSTraceHeader", "SentTimestamp"],
        )
        messages = [_message(one) for one in answer.get("Messages", [])]
        self._oldest = min((one.sent_at for one in messages), default=None)
        self._taken_at = None
        self._was_asked = True
        return messages

    def poll(self, stop: threading.Event) -> list[Message]:
        """Returns the next messages, or none as soon as `stop` is set, even during a long poll.

        An abandoned poll ends with the process. SQS delivers its messages again after VISIBILITY.
        """
        answer: Future[list[Message]] = Future()

        def ask() -> None:
            try:
                answer.set_result(self.receive())
            except BaseException as error:
                answer.set_exception(error)

        threading.Thread(target=ask, daemon=True).start()
        while not answer.done() and not stop.is_set():
            wait([answer], timeout=STOP_CHECK)
        return answer.result() if answer.done() else []

    def delete(self, messages: Sequence[Message]) -> None:
        """Deletes the messages and logs those that SQS does not delete.

        These arrive again later, and ingesting them again changes nothing.
        """
        if messages:
            answer = self._sqs.delete_message_batch(QueueUrl=self.url, Entries=_entries(messages))
            for failed in answer.get("Failed", []):
                logger.warning("A message was not deleted from the queue. %s", failed.get("Code"))
        self._taken_at = timezone.now()

    def oldest_seconds(self, now: datetime) -> float | None:
        """Returns how old the oldest of the messages received last was when they were deleted.

        Until they are deleted, it grows. It is 0 if none was received, and None before the first
        answer. SQS itself does not tell the age of its oldest message; only CloudWatch does.
        """
        if self._oldest is None:
            return 0 if self._was_asked else None
        return max(((self._taken_at or now) - self._oldest).total_seconds(), 0)

    def count(self) -> None:
        """Updates `counts`."""
        names = {
            "ApproximateNumberOfMessages": "visible",
            "ApproximateNumberOfMessagesNotVisible": "in_flight",
        }
        answer = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=list(names))
        self.counts = {names[name]: int(value) for name, value in answer["Attributes"].items()}

    @contextmanager
    def being_extended(self, messages: Sequence[Message]) -> Iterator[None]:
        """Keeps the messages hidden from other consumers until the block ends."""
        done = threading.Event()
        thread = threading.Thread(target=self._extend, args=(messages, done), daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _extend(self, messages: Sequence[Message], done: threading.Event) -> None:
        while not done.wait(VISIBILITY / 3):
            try:
                self._sqs.change_message_visibility_batch(
                    QueueUrl=self.url, Entries=_entries(messages, VisibilityTimeout=VISIBILITY)
                )
            except (BotoCoreError, ClientError) as error:
                logger.warning("The visibility was not extended. %s", type(error).__name__)


def _message(received: dict[str, Any]) -> Message:
    attributes = received["Attributes"]
    message_id = received["MessageId"]
    trace = logs.as_trace(attributes.get("AWSTraceHeader", "")) or logs.as_trace(message_id)
    sent_at = datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1000, UTC)
    return Message(message_id, received["ReceiptHandle"], received["Body"], trace, sent_at)


def _entries(messages: Sequence[Message], **more: int) -> list[dict[str, object]]:
    return [
        {"Id": str(number), "ReceiptHandle": message.receipt, **more}
        for number, message in enumerate(messages)
    ]


def region_of(url: str) -> str | None:
    """Returns the region in the URL of an AWS queue; None for any other URL.

    For https://sqs.eu-central-1.amazonaws.com/123456789012/findings, returns "eu-central-1".
    """
    parts = (urlsplit(url).hostname or "").split(".")
    return parts[1] if parts[0] == "sqs" and "amazonaws" in parts else None
