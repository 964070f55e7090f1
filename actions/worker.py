"""The concurrent loops of `manage.py processfindings`.

One ingests findings from the queue, one carries out actions, one reconciles the firewall paths with
the log, one recounts the sums of the findings, one archives old findings, and one does what the
Application page asks for. They are separate, so that AWS calls that hang in one do not delay the
others.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
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

from actions import approval, execution, ingest, limits, reconcile, updates
from actions.aws import probes
from actions.heartbeat import Heart, Loop
from actions.retention import archiving, places
from actions.retention.places import ArchiveError
from findings import sums
from findings.guardduty.parser import Unparsed, unwrap
from serving import logs
from serving.sqs import Message, Queue

logger = logging.getLogger(__name__)

PAUSE = 5.0  # seconds to wait after an error of AWS or the database
IDLE = 1.0  # seconds to wait if no action is due
LOOK_EVERY = 2.0  # seconds between looks at what the Application page asks for
LAST_ROUND = 20.0  # seconds to wait at the end for a reconciliation, which can be cut off
LAST_BATCH = 5.0  # seconds to wait at the end for a batch of the archive, which can be cut off

AFTER_AN_UPGRADE = 15 * 60.0  # seconds after which the processes of the version before are gone
RECOUNT_EVERY = 24 * 60 * 60.0  # seconds
ARCHIVE_EVERY = 24 * 60 * 60.0  # seconds

Finding = Mapping[str, Any] | Unparsed


class Poison(Exception):
    """A message that can never be read. The text contains nothing from the message."""


def hearts_of(queue: Queue | None) -> dict[Loop, Heart]:
    """Returns a heart for each loop of `run` that has one."""
    return {loop: Heart(loop) for loop in Loop if queue or loop != Loop.RECEIVE}


def run(
    queue: Queue | None,
    session: boto3.Session,
    stop: threading.Event,
    hearts: Mapping[Loop, Heart],
) -> None:
    """Runs the loops until `stop` is set, then finishes the work in progress and returns.

    Without a queue, ingests nothing. Logs errors and tries again after PAUSE seconds.
    """
    heart = hearts[Loop.ACT]
    acting = threading.Thread(
        target=_until, args=(stop, heart, lambda: act(session, stop, heart.move))
    )
    mending, keeping, *others = (
        threading.Thread(target=_until, args=(stop, None, work), daemon=True)
        for work in (
            lambda: mend(session, stop),
            lambda: archive(session, stop),
            lambda: recount(stop),
            lambda: look(session, stop),
        )
    )
    for one in (acting, mending, keeping, *others):
        one.start()
    if queue:
        _until(stop, hearts[Loop.RECEIVE], lambda: receive(queue, stop))
    acting.join()
    mending.join(LAST_ROUND)
    keeping.join(LAST_BATCH)


def _until(stop: threading.Event, heart: Heart | None, work: Callable[[], None]) -> None:
    """Repeats the work. A loop with long pauses has no heart."""
    while not stop.is_set():
        try:
            close_old_connections()
            work()
            if heart:
                heart.beat()
        except (BotoCoreError, ClientError, DatabaseError, InterfaceError) as error:
            logger.error("Retrying in %s s. %s", PAUSE, _told(error))
            stop.wait(PAUSE)
        except Exception:  # a bug must be logged and must not stop the worker
            logger.exception("Retrying in %s s.", PAUSE)
            stop.wait(PAUSE)
        if heart:
            heart.move()
    connections.close_all()


def _told(error: Exception) -> str:
    """Returns the text of an AWS error, else only the class: other texts can quote a finding."""
    is_aws = isinstance(error, BotoCoreError | ClientError)
    return str(error) if is_aws else type(error).__name__


def act(
    session: boto3.Session, stop: threading.Event, after_each: Callable[[], None] = lambda: None
) -> None:
    """Ends what has ended, approvals and blocks, and carries out one round of due actions.

    Waits up to IDLE seconds if no action is due. Calls `after_each` after each batch of the round.
    """
    approval.expire(timezone.now())
    limits.lift(timezone.now())
    if not execution.carry_out_due(session, after_each):
        stop.wait(IDLE)


def mend(session: boto3.Session, stop: threading.Event) -> None:
    """Reconciles the firewall paths with the log once, then waits for the next time."""
    reconcile.reconcile(session)
    connections.close_all()  # the wait is long
    stop.wait(reconcile.EVERY.total_seconds())


def recount(stop: threading.Event) -> None:
    """Waits, recounts the sums of the findings once, and waits until the next day.

    The version before, whose processes run on during an upgrade, stores findings without sums.
    """
    if stop.wait(AFTER_AN_UPGRADE):
        return
    wrong = {name: count for name, count in sums.recount().items() if count}
    if wrong:
        logger.warning("Sums were wrong, and were repaired: %s", wrong)
    connections.close_all()  # the wait is long
    stop.wait(RECOUNT_EVERY)


def look(session: boto3.Session, stop: threading.Event) -> None:
    """Does a self-test that a user asked for, and looks for a new version once a day."""
    probes.run_asked(session)
    updates.check_if_due(timezone.now())
    stop.wait(LOOK_EVERY)


def archive(session: boto3.Session, stop: threading.Event) -> None:
    """Waits, moves old findings to the archive once, and waits until the next day.

    Of several workers, one does it.
    """
    if stop.wait(AFTER_AN_UPGRADE):
        return
    try:
        result = archiving.archive(places.configured(session), now=timezone.now(), stop=stop)
    except ArchiveError as error:
        logger.error("Old findings were not archived, and were not deleted. %s", error)
    else:
        if result.archived or result.returned:
            logger.info(
                "Archived %s findings in %s files. Deleted %s copies that the archive still has.",
                result.archived,
                result.files,
                result.returned,
            )
    connections.close_all()  # the wait is long
    stop.wait(ARCHIVE_EVERY)


def receive(queue: Queue, stop: threading.Event) -> None:
    """Ingests one batch of messages, and deletes them after their findings are committed."""
    # Check the database first: each receive counts toward the limit of the dead-letter queue.
    connection.ensure_connection()
    messages = queue.poll(stop)
    if not messages:
        return
    with queue.being_extended(messages):
        readable = _readable(messages)
        try:
            ingest.ingest(
                [one for each in readable.values() for one in each],
                at=timezone.now(),
                traces=[message.trace for message, each in readable.items() for _ in each],
            )
            taken: Sequence[Message] = list(readable)
        except (OperationalError, InterfaceError):
            raise  # the database failed, not a finding
        except Exception:  # one message caused it; ingest each alone to find and log it
            taken = [message for message in readable if _taken_alone(message, readable[message])]
        for message in taken:
            with logs.traced(message.trace):
                logger.info("Message %s was ingested.", message.message_id)
        queue.delete(taken)


def _readable(messages: Sequence[Message]) -> dict[Message, list[Finding]]:
    """Returns the findings in each message, without poison messages.

    Those stay in the queue, which moves them to its dead-letter queue after its maximum receives.
    """
    found = {}
    for message in messages:
        try:
            found[message] = _unwrap(message.body)
        except Poison as reason:
            _left(message, str(reason))
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
    """Ingests one message of a failed batch. Returns whether it succeeded, and logs a failure."""
    try:
        ingest.ingest(findings, at=timezone.now(), traces=[message.trace] * len(findings))
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        _left(message, _told(error))
        return False
    return True


def _left(message: Message, reason: str) -> None:
    with logs.traced(message.trace):
        logger.error("Message %s is left in the queue. %s", message.message_id, reason)
