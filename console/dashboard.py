"""The dashboard: findings and actions of the last 30 days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import CharField, Count, Func

from actions.models import Reaction, ReactionKind, State
from console.tactics import TacticBar, tactic_bars
from findings.catalogue import Severity
from findings.models import Action, Finding, Mention
from storage.instants import shown

DAYS = 30
TOP = 10  # types, and entities

# Sizes of the chart, in SVG units.
HEIGHT = 160
STEP = 24
BAR = 18

# In stacking order, from the axis upward.
SEVERITIES: Mapping[str, str] = {**dict(reversed(Severity.choices)), "": "Unknown"}


class UTCDay(Func):
    """The UTC day of a datetime expression, as text: "2026-11-23"."""

    output_field = CharField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        # Django's TruncDate calls Python for each row. The stored text is in UTC.
        return self.as_sql(compiler, connection, template="substr(%(expressions)s, 1, 10)")

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD')"
        return self.as_sql(compiler, connection, template=template)


@dataclass(frozen=True, slots=True)
class Segment:
    """The findings of one severity on one day, and their position in the chart."""

    severity: str
    label: str
    count: int
    y: float
    height: float
    query: str  # the query string of the Events page that lists them


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the chart."""

    date: datetime
    x: int
    segments: list[Segment]
    counts: list[int]  # per severity, in the order of SEVERITIES
    total: int


@dataclass(frozen=True, slots=True)
class Line:
    """A name with a count, and the query string of the page that lists the items."""

    name: str
    kind: str
    count: int
    query: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The data of the dashboard."""

    days: list[Day]
    highest: int  # findings on the day with the most
    total: int  # findings in the period
    actions: list[Line]
    reactions: list[Line]
    types: list[Line]
    tactics: list[TacticBar]
    entities: list[Line]


def dashboard(now: datetime) -> Dashboard:
    """Returns the dashboard of the DAYS days (UTC) that end with the day of `now`.

    Runs five queries, each grouped by the database.
    """
    today = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    begin = today - timedelta(days=DAYS - 1)
    since = shown(begin, "day")
    recent = Finding.objects.filter(seen_at__gte=begin, seen_at__lt=today + timedelta(days=1))
    counted = list(
        recent.values_list(UTCDay("seen_at"), "severity", "action").annotate(count=Count("pk"))
    )
    by_day: Counter[tuple[str, str]] = Counter()
    by_action: Counter[str] = Counter()
    for day, severity, action, count in counted:
        by_day[day, severity] += count
        by_action[action] += count
    days = [begin + timedelta(days=number) for number in range(DAYS)]
    highest = max(sum(by_day[shown(day, "day"), one] for one in SEVERITIES) for day in days)
    return Dashboard(
        days=list(_drawn(days, by_day, highest)),
        highest=highest,
        total=by_action.total(),
        actions=[
            Line(label, action, by_action[action], urlencode({"action": action, "since": since}))
            for action, label in Action.choices
            if by_action[action]
        ],
        reactions=list(_reactions(begin, since)),
        types=[
            Line(
                name or "Unparsed",
                "",
                count,
                urlencode({**({"type": name} if name else {"parsed": "no"}), "since": since}),
            )
            for name, count in recent.values_list("finding_type")
            .annotate(count=Count("pk"))
            .order_by("-count", "finding_type")[:TOP]
        ],
        tactics=tactic_bars(recent, since=since),
        entities=[
            Line(name, kind, count, urlencode({"entity": name, "since": since}))
            for kind, name, count in Mention.objects.filter(finding__in=recent)
            .values_list("entity__kind", "entity__name")
            .annotate(count=Count("finding", distinct=True))
            .order_by("-count", "entity__name")[:TOP]
        ],
    )


def _drawn(
    days: Sequence[datetime], by_day: Counter[tuple[str, str]], highest: int
) -> Iterator[Day]:
    for number, day in enumerate(days):
        counts = [by_day[shown(day, "day"), severity] for severity in SEVERITIES]
        y = float(HEIGHT)
        segments = []
        for (severity, label), count in zip(SEVERITIES.items(), counts, strict=True):
            if count:
                height = max(2.0, HEIGHT * count / highest)  # at least 2, so it can be clicked
                y -= height
                query = urlencode(
                    {
                        "since": shown(day, "day"),
                        "until": shown(day + timedelta(days=1), "day"),
                        "severity": severity or "unknown",
                    }
                )
                segments.append(
                    Segment(severity, label, count, round(y, 1), round(height, 1), query)
                )
        yield Day(day, number * STEP, segments, counts, sum(counts))


def _reactions(begin: datetime, since: str) -> Iterator[Line]:
    rows = Reaction.objects.filter(decided_at__gte=begin).values_list("kind", "state")
    for kind, state, count in rows.annotate(count=Count("pk")).order_by("kind", "state"):
        query = urlencode({"action": kind, "state": state, "since": since})
        yield Line(f"{ReactionKind(kind).label}: {State(state).label.lower()}", kind, count, query)
