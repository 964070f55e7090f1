"""The loop of `manage.py processevents`."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.db import (
    DatabaseError,
    InterfaceError,
    close_old_connections,
    connection,
    connections,
)
from django.utils import timezone

from detectors import folding, intake, marks, messages, tags
from detectors.intake import Taken
from detectors.log_files import Broken
from detectors.messages import LogFile, Poison
from detectors.meter import Meter, Outcome
from detectors.tags import TagsOf
from license import clock
from serving import embedded, logs, metrics
from serving.sqs import Message, Queue

logger = logging.getLogger(__name__)

PAUSE = 5.0  # seconds to wait after an error of AWS or the database
HEARTBEAT = "EventsHeartbeat"  # for an alarm of CloudWatch
FOLD_EVERY = 60.0  # seconds, also between counts of the queue


def s3_of(session: boto3.Session) -> Any:
    """Returns a client of S3 that does not wait for long."""
    return session.client(
        "s3",
        config=Config(
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "total_max_attempts": 3},
        ),
    )


def run(
    queue: Queue,
    s3: Any,
    stop: threading.Event,
    meter: Meter,
    tags_of: TagsOf = tags.none_of,
) -> None:
    """Takes messages until `stop` is set. Logs errors and tries again after PAUSE seconds."""
    due = 0.0
    while not stop.is_set():
        try:
            close_old_connections()
            receive(queue, s3, stop, meter, tags_of)
            if time.monotonic() >= due:
                metrics.count_messages(queue)
                folding.fold(int(time.time()))
                clock.memory.store()
                if settings.LOG_FORMAT == "json":
                    embedded.log({HEARTBEAT: 1}, timezone.now(), units={HEARTBEAT: "Count"})
                due = time.monotonic() + FOLD_EVERY
        except (BotoCoreError, ClientError, DatabaseError, InterfaceError) as error:
            logger.error("Retrying in %s s. %s", PAUSE, type(error).__name__)
            stop.wait(PAUSE)
        except Exception:  # a bug must be logged and must not stop the worker
            logger.exception("Retrying in %s s.", PAUSE)
            stop.wait(PAUSE)
        meter.heart.move()
    connections.close_all()


def receive(
    queue: Queue,
    s3: Any,
    stop: threading.Event,
    meter: Meter | None = None,
    tags_of: TagsOf = tags.none_of,
) -> None:
    """Takes one batch of messages, and deletes those whose events are committed.

    The others stay in the queue, which moves them to its dead-letter queue after its maximum
    receives.
    """
    meter = meter or Meter()
    # Check the database first: each receive counts toward the limit of the dead-letter queue.
    connection.ensure_connection()
    batch = queue.poll(stop)
    if not batch:
        return
    with queue.being_extended(batch):
        taken, singles = [], {}
        for message in batch:
            try:
                named = messages.read(message.body)
                meter.files[Outcome.SKIPPED] += named.skipped
                for file in named.files:
                    _take_file(s3, file, meter, tags_of)
            except (Poison, Broken) as reason:
                _left(message, str(reason))
            except (BotoCoreError, ClientError) as error:
                _left(message, f"S3 did not deliver the file: {_code(error)}.")
            else:
                taken.append(message)
                singles[message] = named.records
        taken = _take_singles(taken, singles, meter, tags_of)
        queue.delete(taken)
    meter.end_batch()


def _take_file(s3: Any, file: LogFile, meter: Meter, tags_of: TagsOf) -> None:
    """Counts a file. Raises Broken if it never can be, and errors of S3 if it may later."""
    try:
        meter.take_file(_read_file(s3, file, tags_of))
    except Broken:
        meter.files[Outcome.BROKEN] += 1
        raise
    except (BotoCoreError, ClientError):
        meter.files[Outcome.UNDELIVERED] += 1
        raise
    finally:
        meter.heart.move()


def _read_file(s3: Any, file: LogFile, tags_of: TagsOf) -> Taken:
    try:
        answer = s3.get_object(Bucket=file.bucket, Key=file.key)
    except ClientError as error:
        if _code(error) in {"NoSuchKey", "NoSuchBucket", "404"}:
            raise Broken(f"The log file {_named(file)} does not exist.") from None
        raise
    body = answer["Body"]
    name = marks.name_of_file(file.bucket, file.key, answer["ETag"])
    try:
        result = intake.take_file(name, body.read, at=timezone.now(), tags_of=tags_of)
    except Broken as reason:
        raise Broken(f"The log file {_named(file)} is broken. {reason}") from None
    finally:
        body.close()
    if result.records:
        logger.info("The log file %s has %s records.", _named(file), result.records)
    return result


def _take_singles(
    taken: list[Message],
    singles: Mapping[Message, list[Mapping[str, Any]]],
    meter: Meter,
    tags_of: TagsOf,
) -> list[Message]:
    """Returns the messages whose events are counted. If it fails for all together, takes each."""
    if not any(singles.values()):
        return taken
    try:
        together = [record for message in taken for record in singles[message]]
        meter.take(intake.take_records(together, at=timezone.now(), tags_of=tags_of))
    except (DatabaseError, InterfaceError):
        raise
    except Exception:  # one of them caused it
        done = []
        for message in taken:
            try:
                result = intake.take_records(singles[message], at=timezone.now(), tags_of=tags_of)
                meter.take(result)
            except (DatabaseError, InterfaceError):
                raise
            except Exception as error:
                _left(message, type(error).__name__)
            else:
                done.append(message)
        return done
    return taken


def _named(file: LogFile) -> str:
    return f"s3://{file.bucket}/{file.key}".encode("ascii", "backslashreplace").decode()


def _code(error: BotoCoreError | ClientError) -> str:
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code"))
    return type(error).__name__


def _left(message: Message, reason: str) -> None:
    with logs.traced(message.trace):
        logger.error("Message %s is left in the queue. %s", message.message_id, reason)
