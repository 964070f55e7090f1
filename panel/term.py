"""When a license begins and ends. Pure: no Django, no clock; the caller passes the time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from dateutil.relativedelta import relativedelta

TRIAL = timedelta(days=14)
MONTHS = (1, 12)

# From a day's midnight in UTC until it is over at UTC-12 too.
_OVER_EVERYWHERE = timedelta(days=1, hours=12)


def ends_at(last_day: date) -> datetime:
    """The first instant at which the day is over in every time zone: 12:00 UTC on the next."""
    return datetime.combine(last_day, time(tzinfo=UTC)) + _OVER_EVERYWHERE


def paid_until(begins: datetime, months: int) -> datetime:
    """The end of a term of so many months.

    Its last day has the number of the day that it begins on, or is the last of a shorter month:
    from 29 February 2028 on, 12 months are paid until the end of 28 February 2029. A term that
    begins where another ends counts from the last day of that one, so that renewing moves no
    anniversary.
    """
    begins = begins.astimezone(UTC)
    first = begins - _OVER_EVERYWHERE if begins.time() == time(12) else begins
    return ends_at(first.date() + relativedelta(months=months))
