"""How far messages have come, for `GET /metrics`. Each query reads only what is pending."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Min
from prometheus_client import Metric
from prometheus_client.registry import Collector

from notifications.models import Delivery, Destination, Notice, State
from serving import metrics
from serving.metrics import gauge

DAY = timedelta(days=1)


@metrics.register
class NotificationsCollector(Collector):
    """The metrics of notifications at one instant."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        destinations = list(Destination.objects.present().order_by("name"))
        # due_at is set as long as a message is pending; the condition lets the planner see it.
        waiting = Delivery.objects.pending().filter(due_at__isnull=False)
        pending = {
            pk: (count, oldest)
            for pk, count, oldest in waiting.values_list("destination")
            .annotate(count=Count("pk"), oldest=Min("created_at"))
            .order_by()
        }
        yield gauge(
            "notifications_pending",
            "Messages that are not delivered yet.",
            ["destination"],
            {(one.name,): pending.get(one.pk, (0, None))[0] for one in destinations},
        )
        oldest = [at for _, at in pending.values()]
        untaken = Notice.objects.filter(taken_at=None, ready_at__lte=self.now)
        first = untaken.aggregate(first=Min("ready_at"))["first"]
        since = min([*oldest, *([first] if first else [])], default=self.now)
        yield gauge(
            "notifications_oldest_pending_seconds",
            "Seconds since the oldest message that is not delivered was due; 0 if there is none.",
            value=max((self.now - since).total_seconds(), 0),
        )
        yield gauge(
            "notifications_failing_seconds",
            "Seconds since messages to this destination fail; 0 if the last one was delivered.",
            ["destination"],
            {
                (one.name,): (self.now - one.failing_since).total_seconds()
                if one.failing_since
                else 0
                for one in destinations
            },
        )
        given_up = Delivery.objects.filter(
            state=State.FAILED, is_test=False, created_at__gt=self.now - 2 * DAY
        )
        counts = dict(
            given_up.filter(settled_at__gt=self.now - DAY)
            .values_list("destination")
            .annotate(count=Count("pk"))
            .order_by()
        )
        yield gauge(
            "notifications_failed_last_day",
            "Messages that were given up within 24 hours.",
            ["destination"],
            {(one.name,): counts.get(one.pk, 0) for one in destinations},
        )
