"""Ends the incidents that messages have opened, at destinations that have incidents."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from django.db import transaction

from findings.models import Finding
from notifications.destinations import KINDS
from notifications.models import Delivery, Destination, Notice, Trigger

RESOLVING = [kind.name for kind in KINDS.values() if kind.has_incidents]


def when_closed(sender: object, pks: Collection[int], at: datetime, **more: object) -> None:
    """Ends the incidents whose findings are all closed now."""
    if not Destination.objects.present().filter(kind__in=RESOLVING).exists():
        return
    told = Notice.objects.filter(trigger=Trigger.FINDING).exclude(told_as="")
    keys = set(told.filter(finding_pk__in=pks).values_list("told_as", flat=True))
    about: dict[str, set[int]] = {key: set() for key in keys}
    for key, pk in told.filter(told_as__in=keys).values_list("told_as", "finding_pk"):
        about[key].add(pk or 0)
    every = set().union(*about.values())
    still_open = set(
        Finding.objects.filter(pk__in=every, closed_at=None).values_list("pk", flat=True)
    )
    resolve([key for key, findings in about.items() if not findings & still_open], at=at)


def when_reset(sender: object, at: datetime, **more: object) -> None:
    """Ends the incident of the circuit breaker."""
    resolve(["breaker"], at=at)


@transaction.atomic
def resolve(keys: Iterable[str], *, at: datetime) -> int:
    """Ends the incidents with these keys that are open. Returns how many there were."""
    last: dict[tuple[int, str], Delivery] = {}
    told = Delivery.objects.filter(
        key__in=list(keys), destination__kind__in=RESOLVING, destination__removed_at=None
    )
    for one in told.order_by("pk"):
        last[one.destination_id, one.key] = one
    resolving = [
        Delivery(
            destination_id=one.destination_id,
            rule_id=one.rule_id,
            key=one.key,
            window=one.window,
            title=f"Resolved: {one.title}",
            text=f"Resolved: {one.title}",
            url=one.url,
            severity=one.severity,
            data={"resolved": True, "title": one.title, "url": one.url},
            resolves=True,
            created_at=at,
            due_at=at,
        )
        for one in last.values()
        if not one.resolves
    ]
    # Another process can do it at the same time.
    Delivery.objects.bulk_create(resolving, ignore_conflicts=True)
    return len(resolving)
