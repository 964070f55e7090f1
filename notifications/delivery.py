"""Delivers messages: claim, send, record. Any number of workers can run it.

Only sending happens in other threads, at most one message to a destination at a time, so that a
destination that hangs delays no other. After a failure, a destination is left alone for a while.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Subquery
from django.urls import reverse
from django.utils import timezone

from notifications.destinations import KINDS, Answer, Message
from notifications.destinations.contract import failed
from notifications.models import (
    NO_KEY,
    Delivery,
    DeliveryAttempt,
    Destination,
    State,
)
from storage.encryption import NoKeyError

logger = logging.getLogger(__name__)

THREADS = 8
# After this time, other workers take over the claims of a worker that died. A try takes 10 seconds.
LEASE = timedelta(minutes=1)
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=15)  # of a destination; that of a message is an hour
LONGEST_ASKED_FOR = timedelta(hours=6)  # by Retry-After
# `action_id` of a message is above those of actions, which it was in earlier versions.
FIRST_ACTION_ID = 10**12


class Sender:
    """Sends what is due in threads."""

    def __init__(self, threads: int = THREADS) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="notify")
        self._threads = threads
        self._sending: dict[Future[Answer], Delivery] = {}

    def round(self, seconds: float) -> int:
        """Begins to send what is due, and records what was answered within so many seconds.

        Returns how many messages are being sent or were answered.
        """
        busy = {one.destination_id for one in self._sending.values()}
        for one in claim(timezone.now(), busy=busy, limit=self._threads - len(self._sending)):
            self._sending[self._pool.submit(send, one)] = one
        count = len(self._sending)
        self._record(seconds)
        return count

    def close(self, seconds: float) -> None:
        """Waits for answers for so many seconds. Another worker sends what is left again."""
        while self._sending and self._record(seconds):
            pass
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _record(self, seconds: float) -> int:
        done, _ = wait(self._sending, timeout=seconds, return_when=FIRST_COMPLETED)
        for future in done:
            write_down(self._sending[future], future.result(), at=timezone.now())
            del self._sending[future]
        return len(done)


def deliver_due() -> int:
    """Sends all that is due, in this thread. Returns how many messages it has tried."""
    count = 0
    while claimed := claim(timezone.now(), busy=(), limit=THREADS):
        for one in claimed:
            write_down(one, send(one), at=timezone.now())
        count += len(claimed)
    return count


@transaction.atomic
def claim(at: datetime, *, busy: Collection[int], limit: int) -> list[Delivery]:
    """Takes a lease on the first due message of each destination that is not busy or paused.

    Messages with one key go in order, so that no incident is resolved before it is opened.
    """
    if limit < 1:
        return []
    older = Delivery.objects.pending().filter(
        destination=OuterRef("destination"), key=OuterRef("key"), pk__lt=OuterRef("pk")
    )
    in_order = Delivery.objects.due(at).filter(~Exists(older))
    first = in_order.filter(destination=OuterRef("pk")).order_by("due_at", "pk")
    tests = first.filter(is_test=True)
    found = Destination.objects.exclude(pk__in=busy).annotate(
        first=Subquery(first.values("pk")[:1]), test=Subquery(tests.values("pk")[:1])
    )
    may = Q(paused_until=None) | Q(paused_until__lte=at)
    pks = list(found.filter(may, first__isnull=False).values_list("first", flat=True))
    pks += found.exclude(may).filter(test__isnull=False).values_list("test", flat=True)
    if not pks:
        return []
    due = Delivery.objects.due(at).filter(pk__in=pks).select_related("destination", "rule")
    claimed = list(
        due.order_by("due_at", "pk").select_for_update(skip_locked=True, of=("self",))[:limit]
    )
    Delivery.objects.filter(pk__in=[one.pk for one in claimed]).update(due_at=at + LEASE)
    return claimed


def send(delivery: Delivery) -> Answer:
    """Sends a message once. Uses no database."""
    destination = delivery.destination
    kind = KINDS.get(destination.kind)
    if destination.removed_at:
        return failed("The destination was removed.", retry=False)
    if kind is None:  # a worker of another version may know it
        return failed("This version has no such destinations.", retry=True)
    try:
        return kind.send(destination.open_settings(), message_of(delivery))
    except NoKeyError:  # somebody can restore the key
        logger.error("Message %s waits: %s", delivery.pk, NO_KEY)
        return failed(NO_KEY, retry=True)
    except Exception as error:  # a bug must not stop the others
        logger.exception("Message %s could not be sent.", delivery.pk)
        return failed(f"Internal error: {type(error).__name__}.", retry=True)


def message_of(delivery: Delivery) -> Message:
    """Returns the message. Its ID is the same in each try."""
    data = dict(delivery.data)
    if delivery.rule and delivery.rule.each and "finding" in data:
        data = {"action_id": FIRST_ACTION_ID + delivery.pk, **data}
    return Message(
        id=delivery.message_id or f"msg_{delivery.pk}",
        title=delivery.title,
        text=delivery.text,
        url=delivery.url or None,
        severity=delivery.severity,
        key=delivery.key,
        resolved=delivery.resolves,
        at=delivery.created_at,
        data=data,
        sums_up=delivery.sums_up,
    )


@transaction.atomic
def write_down(delivery: Delivery, answer: Answer, *, at: datetime) -> None:
    """Records a try, and what follows for the message and the destination."""
    DeliveryAttempt.objects.create(
        delivery=delivery, at=at, delivered=answer.delivered, answer=answer.text
    )
    these = Delivery.objects.pending().filter(pk=delivery.pk)
    destination = Destination.objects.select_for_update().get(pk=delivery.destination_id)
    if answer.delivered:
        these.settle(State.DELIVERED, at=at)
        destination.last_success_at, destination.failing_since = at, None
        destination.failures, destination.paused_until = 0, None
        logger.info("Message %s was delivered.", delivery.pk)
    else:
        asked = timedelta(seconds=answer.retry_after or 0)
        asked = min(asked, LONGEST_ASKED_FOR)
        pause = max(_pause(delivery.attempts.count(), timedelta(hours=1)), asked)
        destination.last_error, destination.last_error_at = answer.text, at
        destination.failing_since = destination.failing_since or at
        destination.failures += 1
        if answer.retry and not delivery.is_test:
            rest = max(_pause(destination.failures, LONGEST_PAUSE), asked)
            destination.paused_until = at + rest
        if answer.retry and not delivery.is_test and at + pause <= delivery.gives_up_at:
            these.update(due_at=at + pause)
        else:
            these.settle(State.FAILED, at=at)
        logger.warning("Message %s was not delivered. %s", delivery.pk, answer.text)
    destination.save(
        update_fields=[
            "last_success_at",
            "last_error",
            "last_error_at",
            "failing_since",
            "failures",
            "paused_until",
        ]
    )


def _pause(tries: int, longest: timedelta) -> timedelta:
    doubled: timedelta = FIRST_PAUSE * 2 ** min(max(tries - 1, 0), 20)
    return min(doubled, longest)


def test(destination: Destination, *, by: str, at: datetime) -> Delivery:
    """Adds a test message, which a worker sends once, also while the destination is paused."""
    url = settings.PORTAL_URL + reverse("api:get_notifications")
    title = "Test of Threat Reaction"
    return Delivery.objects.create(
        destination=destination,
        key="test",
        window=at,
        title=title,
        text=f"{by} has sent this test to {destination.name}. Nothing has happened.",
        url=url,
        data={"trigger": "test", "title": title, "url": url},
        is_test=True,
        created_at=at,
        due_at=at,
    )
