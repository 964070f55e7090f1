"""Computes when a license starts and ends. Pure functions: the caller passes the time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from dateutil.relativedelta import relativedelta

TRIAL_DAYS = 14
MONTHS = (1, 12)

# From midnight UTC until the day has ended in UTC-12.
_OVER_EVERYWHERE = timedelta(days=1, hours=12)


def ends_at(last_day: date) -> datetime:
    """Returns the instant at which the day has ended in every time zone: 12:00 UTC the next day."""
    return datetime.combine(last_day, time(tzinfo=UTC)) + _OVER_EVERYWHERE


def trial_until(begins: datetime) -> datetime:
    """Returns the end of a Trial: midnight UTC after TRIAL_DAYS full days.

    The day on which it begins does not count. So the portal shows a new Trial as valid (more than
    14 days left), and as expiring soon from the next day on.
    """
    today = datetime.combine(begins.astimezone(UTC).date(), time(tzinfo=UTC))
    return today + timedelta(days=1 + TRIAL_DAYS)


def last_day(ends: datetime) -> date:
    """Returns the last day (UTC) of a term that ends at `ends`; the day before, if at midnight."""
    return (ends.astimezone(UTC) - timedelta(microseconds=1)).date()


def paid_until(begins: datetime, months: int) -> datetime:
    """Returns the end of a term of `months` months that starts at `begins`.

    The last day of the term has the same day number as the first, or is the last day of a shorter
    month: 12 months from February 29, 2028 end on February 28, 2029. A term that starts when
    another one ends (at 12:00 UTC) counts from the last day of that term, so that renewals keep
    the day number.
    """
    begins = begins.astimezone(UTC)
    first = begins - _OVER_EVERYWHERE if begins.time() == time(12) else begins
    return ends_at(first.date() + relativedelta(months=months))
