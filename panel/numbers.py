"""A day's numbers, for staff. Days are days in UTC."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, QuerySet
from django.db.models.functions import TruncDate

from license.claims import Plan
from panel.models import IssuedLicense, Order

RENEWAL_DUE = timedelta(days=30)  # before a license ends
RENEWAL_OVERDUE = timedelta(days=30)  # after it has ended; later, the customer has left
PAYMENT_OVERDUE = timedelta(days=14)  # after an order was placed


@dataclass(frozen=True, slots=True)
class Day:
    """What happened on a day."""

    day: date
    trials: int
    conversions: int
    ordered: int
    paid: int


def days(last: date, count: int) -> list[Day]:
    """Returns `count` days, the last of them first."""
    first = last - timedelta(days=count - 1)
    licenses = IssuedLicense.objects.filter(replaces=None)
    trials = _by_day(licenses.filter(plan=Plan.TRIAL), "issued_at", first, last)
    converted = _by_day(conversions(), "issued_at", first, last)
    ordered = _by_day(Order.objects.all(), "placed_at", first, last)
    paid = _by_day(Order.objects.all(), "paid_at", first, last)
    return [
        Day(day, trials[day], converted[day], ordered[day], paid[day])
        for day in (last - timedelta(days=ago) for ago in range(count))
    ]


def conversions() -> QuerySet[IssuedLicense]:
    """Returns the first Paid license of each account that had a Trial before."""
    earlier = IssuedLicense.objects.filter(
        aws_account_id=OuterRef("aws_account_id"), pk__lt=OuterRef("pk")
    )
    return IssuedLicense.objects.filter(
        Exists(earlier.filter(plan=Plan.TRIAL)),
        ~Exists(earlier.filter(plan=Plan.PAID)),
        plan=Plan.PAID,
    )


def renewals_due(at: datetime) -> QuerySet[IssuedLicense]:
    """Returns the Paid licenses that end within RENEWAL_DUE and have no successor."""
    return _ending().filter(expires_at__gt=at, expires_at__lte=at + RENEWAL_DUE)


def renewals_overdue(at: datetime) -> QuerySet[IssuedLicense]:
    """Returns the Paid licenses that ended within RENEWAL_OVERDUE and have no successor."""
    return _ending().filter(expires_at__lte=at, expires_at__gt=at - RENEWAL_OVERDUE)


def payments_overdue(at: datetime) -> QuerySet[Order]:
    """Returns the orders that were neither paid nor cancelled within PAYMENT_OVERDUE."""
    return (
        Order.objects.filter(paid_at=None, cancelled_at=None, placed_at__lte=at - PAYMENT_OVERDUE)
        .select_related("customer__user")
        .order_by("placed_at", "pk")
    )


def _ending() -> QuerySet[IssuedLicense]:
    return (
        IssuedLicense.objects.unrevoked()
        .without_successor()
        .filter(plan=Plan.PAID)
        .select_related("customer__user")
        .order_by("expires_at", "pk")
    )


def _by_day(rows: QuerySet[Any], field: str, first: date, last: date) -> Counter[date]:
    between = {
        f"{field}__gte": datetime.combine(first, time(tzinfo=UTC)),
        f"{field}__lt": datetime.combine(last + timedelta(days=1), time(tzinfo=UTC)),
    }
    counted = (
        rows.filter(**between)
        .order_by()
        .annotate(day=TruncDate(field, tzinfo=UTC))
        .values("day")
        .annotate(count=Count("pk"))
    )
    return Counter({row["day"]: row["count"] for row in counted})
