"""Counts of findings in a period, from the sums that `findings.sums` keeps."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta

from django.db.models import Count, Q, Sum

from findings.models import Entity, EntitySum, Finding, PeriodSum

_CANDIDATES = 200
_NAMED = ("entity__kind", "entity__name")
_MOST_FIRST = ("-count", "entity__name")


def by_severity(begin: datetime, end: datetime) -> Counter[str]:
    """Returns the number of findings of each severity that were last seen in a period.

    It begins with an hour (UTC). Reads days, the hours before and after them, and the findings of
    the last hour, which can be a part of one.
    """
    last_hour = end.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    last_day = last_hour.replace(hour=0)
    first_day = begin.astimezone(UTC).replace(hour=0)
    first_day += timedelta(days=first_day < begin)
    sums = PeriodSum.objects.filter(
        Q(is_day=True, begin__gte=first_day, begin__lt=last_day)
        | Q(is_day=False, begin__gte=begin, begin__lt=first_day)
        | Q(is_day=False, begin__gte=last_day, begin__lt=last_hour)
    )
    found = Counter(dict(sums.values_list("severity").annotate(count=Sum("findings"))))
    rest = Finding.objects.filter(seen_at__gte=last_hour, seen_at__lt=end)
    found.update(dict(rest.values_list("severity").annotate(count=Count("pk"))))
    return found


def by_kind(begin: datetime) -> Counter[tuple[str, str]]:
    """Returns the number of findings last seen since `begin`, by finding type and severity.

    Reads days, the hours before them, and the findings of the first hour, which can be a part of
    one.
    """
    first_hour = begin.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    first_hour += timedelta(hours=1)
    first_day = first_hour.replace(hour=0)
    first_day += timedelta(days=first_day < first_hour)
    sums = PeriodSum.objects.filter(
        Q(is_day=True, begin__gte=first_day)
        | Q(is_day=False, begin__gte=first_hour, begin__lt=first_day)
    )
    rest = Finding.objects.filter(seen_at__gte=begin, seen_at__lt=first_hour)
    kind = ("finding_type", "severity")
    rows = sums.values_list(*kind).annotate(count=Sum("findings"))
    found = Counter[tuple[str, str]]()
    for finding_type, severity, count in rows.union(
        rest.values_list(*kind).annotate(count=Count("pk")), all=True
    ):
        found[finding_type, severity] += count
    return +found  # without sums of 0


def top_entities(first: date, end: date, size: int) -> list[tuple[str, str, int]]:
    """Returns the entities that the most findings name that were last seen on some days (UTC).

    These are their kinds, their names, and the numbers of findings. `end` is the day after the
    last. If several entities share the last place, it is any of them.
    """
    sums = EntitySum.objects.filter(day__gte=first, day__lt=end).values_list(*_NAMED)
    # An entity has at most as many findings in a period as it has ever had. So those with the most
    # ever come first, until none of the others can have more than what was found.
    candidates = Entity.objects.order_by("-findings", "name", "pk")  # entity_most_findings
    count = _CANDIDATES
    while True:
        among = sums.filter(entity__in=candidates.values("pk")[:count])
        found = list(among.annotate(count=Sum("findings")).order_by(*_MOST_FIRST)[:size])
        most_of_others = candidates.values_list("findings", flat=True)[count : count + 1].first()
        if not most_of_others or (len(found) == size and found[-1][2] >= most_of_others):
            return [one for one in found if one[2] > 0]
        count *= 10
