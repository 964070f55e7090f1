"""Addresses messages, and holds back what exceeds the limit of a destination.

The transaction and the lock of `gathering.py` are around all of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db.models import Count

from notifications import messages
from notifications.messages import Said
from notifications.models import HELD_BACK, Delivery, Destination, Rule, State

HOUR = timedelta(hours=1)
NO_LIMIT = sys.maxsize


class Post:
    """Addresses the messages of a round: to be sent, or held back by the limit of a destination."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.deliveries: list[Delivery] = []
        self.rooms: dict[int, int] = {}

    def add(
        self,
        said: Said,
        destinations: Iterable[Destination],
        *,
        rule: Rule | None,
        key: str,
        window: datetime,
    ) -> None:
        """Adds a delivery to each destination. CRITICAL ones are never held back."""
        for destination in destinations:
            passes = self._room(destination) > 0 or said.severity == "CRITICAL"
            self.rooms[destination.pk] -= 1
            self.deliveries.append(
                Delivery(
                    destination=destination,
                    rule=rule,
                    key=key,
                    window=window,
                    title=said.title,
                    text=said.text,
                    url=said.url,
                    severity=said.severity,
                    data=said.data,
                    state=State.PENDING if passes else State.HELD,
                    created_at=self.at,
                    due_at=self.at if passes else None,
                )
            )

    def send(self) -> None:
        """Stores them."""
        Delivery.objects.bulk_create(self.deliveries)

    def _room(self, destination: Destination) -> int:
        if destination.pk not in self.rooms:
            self.rooms[destination.pk] = room(destination, self.at)
        return self.rooms[destination.pk]


def room(destination: Destination, at: datetime) -> int:
    """Returns how many messages the limit of a destination leaves for now."""
    if not destination.per_hour:
        return NO_LIMIT
    sent = destination.deliveries.filter(created_at__gt=at - HOUR, is_test=False)
    held = [State.HELD, State.SUMMED_UP]
    return destination.per_hour - sent.exclude(state__in=held).count()


def tell_what_was_held_back(at: datetime) -> int:
    """Sends one message about all that a limit held back, once the limit leaves room."""
    held = Delivery.objects.filter(state=State.HELD)
    counts: Mapping[int, int] = dict(
        held.values_list("destination").annotate(count=Count("pk")).order_by()
    )
    post = Post(at)
    for destination in Destination.objects.filter(pk__in=counts):
        if room(destination, at) < 1:
            continue
        its = held.filter(destination=destination)
        titles = list(its.order_by("pk").values_list("title", flat=True)[: messages.LISTED])
        said = messages.of_held_back(titles, counts[destination.pk], per_hour=destination.per_hour)
        its.settle(State.SUMMED_UP, at=at)
        post.add(said, [destination], rule=None, key=HELD_BACK, window=at)
    post.send()
    return len(post.deliveries)
