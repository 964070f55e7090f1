"""What `manage.py processfindings` does until it is told to stop: two loops, side by side.

One takes findings from the queue; the other carries out what was decided, so that an AWS that hangs
there holds up no finding here.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
    connections,
)
from django.utils import timezone

from actions import execution, ingest
from actions.aws.sqs import Message, Queue
from findings.guardduty.parser import Unparsed, unwrap

logger = logging.getLogger(__name__)

PAUSE = 5.0  # seconds, after AWS or the database has failed
IDLE = 1.0  # seconds, until it is asked again whether an action is due
STOP_CHECK = 0.2  # seconds, between two looks at whether to stop during a poll of the queue

Finding = Mapping[str, Any] | Unparsed


class Poison(Exception):
    """A message that no later try can read. The text holds nothing of it."""


def run(queue: Queue | None, session: boto3.Session, stop: threading.Event) -> None:
    """Returns when `stop` is set and what is in hand is finished."""
    acting = threading.Thread(target=_until, args=(stop, lambda: act(session, stop)))
    acting.start()
    if queue:
        _until(stop, lambda: receive(queue, stop))
    acting.join()


def _until(stop: threading.Event, work: Callable[[], None]) -> None:
    while not stop.is_set():
        try:
            close_old_connections()
            work()
        except (BotoCoreError, ClientError, DatabaseError, InterfaceError) as error:
            logger.error("It is tried again in %s s. %s", PAUSE, _told(error))
            stop.wait(PAUSE)
        except Exception:  # a bug must not end the worker in silence, nor for ever
            logger.exception("It is tried again in %s s.", PAUSE)
            stop.wait(PAUSE)
    connections.close_all()


def _told(error: Exception) -> str:
    """Others than AWS's may repeat a finding, so that of them only the kind is told."""
    is_aws = isinstance(error, BotoCoreError | ClientError)
    return str(error) if is_aws else type(error).__name__


def act(session: boto3.Session, stop: threading.Event) -> None:
    if not execution.carry_out_due(session):
        stop.wait(IDLE)


def receive(queue: Queue, stop: threading.Event) -> None:
    """Ingests one batch of messages, and deletes them once their findings are committed."""
    # Without a database no message is received: each receipt counts towards the dead-letter queue.
    connection.ensure_connection()
    messages = _poll(queue, stop)
    if not messages:
        return
    with queue.being_extended(messages):
        readable = _readable(messages)
        try:
            ingest.ingest([one for each in readable.values() for one in each], at=timezone.now())
            taken: Sequence[Message] = list(readable)
        except (OperationalError, InterfaceError):
            raise  # it is the database, and no finding
        except Exception:  # one of them did it; the next lines find and tell which
            taken = [message for message in readable if _taken_alone(message, readable[message])]
        queue.delete(taken)


def _poll(queue: Queue, stop: threading.Event) -> list[Message]:
    """The next messages; none as soon as `stop` is set, however long SQS holds the poll open.

    A poll that is left behind ends with the process. What SQS still hands to it, SQS hands out
    again after VISIBILITY.
    """
    answer: Future[list[Message]] = Future()

    def ask() -> None:
        try:
            answer.set_result(queue.receive())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    while not answer.done() and not stop.is_set():
        wait([answer], timeout=STOP_CHECK)
    return answer.result() if answer.done() else []


def _readable(messages: Sequence[Message]) -> dict[Message, list[Finding]]:
    """The findings in each. A poison message stays in the queue, which moves it to its
    dead-letter queue after as many tries as that allows."""
    found = {}
    for message in messages:
        try:
            found[message] = _unwrap(message.body)
        except Poison as reason:
            logger.error("Message %s is left in the queue. %s", message.message_id, reason)
    return found


def _unwrap(body: str) -> list[Finding]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise Poison("It is not JSON.") from None
    if not isinstance(document, dict | list):
        raise Poison("It is neither an object nor an array.")
    return list(unwrap(document))


def _taken_alone(message: Message, findings: list[Finding]) -> bool:
    """After a batch has failed: the one that did it must not keep the others out."""
    try:
        ingest.ingest(findings, at=timezone.now())
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        logger.error("Message %s is left in the queue. %s", message.message_id, _told(error))
        return False
    return True
