"""Reminders that a license ends, sent DAYS_BEFORE calendar days (UTC) before it does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from panel import mail, term
from panel.models import IssuedLicense, Reminder

DAYS_BEFORE = (14, 7, 1, 0)


def due(at: datetime) -> Iterator[tuple[IssuedLicense, int]]:
    """Yields the licenses whose reminder is due and was not sent, each with its `days_before`.

    If several reminders of a license have become due since the last run, only the latest one
    counts. Licenses that have a successor get no reminder. Neither do licenses that were issued
    later than the reminder's day.
    """
    ending = (
        IssuedLicense.objects.unrevoked()
        .without_successor()
        .filter(
            expires_at__gt=at.replace(hour=0, minute=0, second=0, microsecond=0),
            expires_at__lt=at + timedelta(days=max(DAYS_BEFORE) + 1),
        )
        .select_related("customer__user")
        .order_by("expires_at", "pk")
    )
    sent = set(Reminder.objects.filter(license__in=ending).values_list("license", "days_before"))
    for issued in ending:
        last = term.last_day(issued.expires_at)
        days = (last - at.date()).days
        reached = [before for before in DAYS_BEFORE if days <= before]
        if not reached or (last - issued.issued_at.date()).days <= reached[-1]:
            continue
        if (issued.pk, reached[-1]) not in sent:
            yield issued, reached[-1]


def send(issued: IssuedLicense, days_before: int, *, at: datetime) -> bool:
    """Writes the reminder's mails and records it. Returns False if another process has done so."""
    try:
        with transaction.atomic():
            # Insert the row first: a concurrent process waits here, then fails on the constraint.
            Reminder.objects.create(license=issued, days_before=days_before, sent_at=at)
            mail.ends_soon(issued, at=at)
    except IntegrityError:
        return False
    return True
