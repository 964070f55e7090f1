"""The dashboard: what needs a person, and the findings and actions of a period that ends now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from django.db.models import Sum
from django.urls import reverse

from actions import counts as action_counts
from actions.models import Reaction, ReactionKind, State
from console.tactics import TacticBar, tactic_bars
from findings import counts
from findings.catalogue import Severity
from findings.models import Action, Finding, PeriodSum
from storage import capped
from storage.filters import Period
from storage.instants import shown

TOP = 10  # types, and entities
WORKER_TAKES = timedelta(minutes=10)  # an action that is pending for longer needs a person
COUNTED = 100  # findings that need a person are counted so far
_EVER = datetime(2000, 1, 1, tzinfo=UTC)

# Sizes of the chart, in SVG units.
HEIGHT = 100
WIDTH = 720

# In stacking order, from the axis upward.
SEVERITIES: Mapping[str, str] = {**dict(reversed(Severity.choices)), "": "Unknown"}


@dataclass(frozen=True, slots=True)
class Range:
    """A period of the dashboard, in bars of an hour or a day (UTC). The last one is not over."""

    period: Period
    label: str
    bar: timedelta
    bars: int

    @property
    def is_by_hour(self) -> bool:
        """Whether a bar is an hour."""
        return self.bar == timedelta(hours=1)

    def begin(self, now: datetime) -> datetime:
        """Returns the beginning of the first bar."""
        now = now.astimezone(UTC)
        last = now.replace(minute=0, second=0, microsecond=0)
        if not self.is_by_hour:
            last = last.replace(hour=0)
        return last - (self.bars - 1) * self.bar


RANGES = [
    Range(Period.DAY, "24 hours", timedelta(hours=1), 24),
    Range(Period.WEEK, "7 days", timedelta(days=1), 7),
    Range(Period.MONTH, "30 days", timedelta(days=1), 30),
]
DEFAULT = RANGES[-1]


@dataclass(frozen=True, slots=True)
class Segment:
    """The findings of one severity in one bar, and their position in the chart."""

    severity: str
    label: str
    count: int
    y: float
    height: float
    query: str  # the query string of the Events page that lists them


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the chart, a day or an hour."""

    at: datetime
    x: float
    name: str
    is_named: bool  # on the axis
    segments: list[Segment]
    counts: list[int]  # per severity, in the order of SEVERITIES
    total: int


@dataclass(frozen=True, slots=True)
class Line:
    """A name with a count, and the query string of the page that lists the items."""

    name: str
    kind: str
    count: int | str
    query: str


@dataclass(frozen=True, slots=True)
class Tile:
    """The findings of one severity, or all, compared with the period before."""

    label: str
    severity: str
    count: int
    before: int
    query: str

    @property
    def change(self) -> str:
        """How many more or fewer there are than before, for people."""
        difference = self.count - self.before
        if not difference:
            return "as before"
        return f"{abs(difference)} {'more' if difference > 0 else 'fewer'}"


@dataclass(frozen=True, slots=True)
class Need:
    """Something that waits for a person."""

    about: str
    text: str
    color: str
    url: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The data of the dashboard."""

    tiles: list[Tile]
    bars: list[Bar]
    highest: int  # findings in the bar with the most
    total: int  # findings in the period
    actions: list[Line]
    reactions: list[Line]
    types: list[Line]
    tactics: list[TacticBar]
    entities: list[Line]  # on whole days: their sums have no hours


def dashboard(now: datetime, shown_range: Range = DEFAULT) -> Dashboard:
    """Returns the dashboard of a range that ends with the hour or the day of `now`.

    It reads sums, so its cost grows with the number of finding types and not of findings. The
    period before is as long as the part of the range that has passed.
    """
    begin = shown_range.begin(now)
    since = _text(begin, shown_range)
    length = shown_range.bars * shown_range.bar
    recent = PeriodSum.objects.filter(
        is_day=not shown_range.is_by_hour, begin__gte=begin, begin__lt=begin + length
    )
    by_bar: Counter[tuple[datetime, str]] = Counter()
    by_action: Counter[str] = Counter()
    by_severity: Counter[str] = Counter()
    counted = recent.values_list("begin", "severity", "action").annotate(count=Sum("findings"))
    for bar, severity, action, count in counted:
        by_bar[bar, severity] += count
        by_action[action] += count
        by_severity[severity] += count
    by_type = Counter(dict(recent.values_list("finding_type").annotate(count=Sum("findings"))))
    before = counts.by_severity(begin - length, now - length)
    days_end = now.astimezone(UTC).date() + timedelta(days=1)
    bars = [begin + number * shown_range.bar for number in range(shown_range.bars)]
    highest = max(sum(by_bar[bar, one] for one in SEVERITIES) for bar in bars)
    return Dashboard(
        tiles=[
            Tile(
                "All findings",
                "all",
                by_action.total(),
                before.total(),
                urlencode({"since": since}),
            ),
            *(
                Tile(
                    label,
                    severity,
                    by_severity[severity],
                    before[severity],
                    urlencode({"severity": severity or "unknown", "since": since}),
                )
                for severity, label in SEVERITIES.items()
                if severity or by_severity[severity] or before[severity]
            ),
        ],
        bars=list(_drawn(bars, by_bar, highest, shown_range)),
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
            for name, count in sorted(by_type.items(), key=lambda one: (-one[1], one[0]))[:TOP]
            if count > 0
        ],
        tactics=tactic_bars(by_type, since=since),
        entities=[
            Line(name, kind, count, urlencode({"entity": name, "since": shown(begin, "day")}))
            for kind, name, count in counts.top_entities(begin.date(), days_end, TOP)
        ],
    )


def needs(now: datetime, shown_range: Range = DEFAULT) -> list[Need]:
    """Returns what waits for a person: findings nobody has taken, and actions that wait or failed.

    Each query is bounded by the range, by COUNTED, or by what is pending.
    """
    begin = shown_range.begin(now)
    since = _text(begin, shown_range)
    events = reverse("findings:events")
    actions = reverse("api:get_actions")
    found = []
    if count := Reaction.objects.waiting(now).values("pk")[:COUNTED].count():
        text = f"{_up_to(count)} action{_s(count)} waiting for approval"
        found.append(Need("Approval", text, "yellow", f"{actions}?state=waiting"))
    for severity in (Severity.CRITICAL, Severity.HIGH):
        open_ones = Finding.objects.filter(
            severity=severity, closed_at=None, assignee=None, seen_at__gte=begin
        )
        if count := open_ones.values("pk")[:COUNTED].count():
            query = {"status": "open", "assigned": "no", "severity": severity.value, "since": since}
            text = (
                f"{_up_to(count)} {severity.label.lower()} finding{_s(count)} open and unassigned"
            )
            color = "red" if severity is Severity.CRITICAL else "yellow"
            found.append(Need("Findings", text, color, f"{events}?{urlencode(query)}"))
    # due_at is set as long as an action is pending. The condition lets the planner see it; as a
    # range, because SQLite would prefer one of another index, which is nearly the whole table.
    pending = Reaction.objects.filter(
        state=State.PENDING, due_at__gt=_EVER, decided_at__lt=now - WORKER_TAKES
    )
    if count := pending.values("pk")[:COUNTED].count():
        text = f"{_up_to(count)} action{_s(count)} pending for over 10 minutes"
        found.append(
            Need(
                "Actions", text, "yellow", f"{actions}?{urlencode({'state': State.PENDING.value})}"
            )
        )
    failed = Reaction.objects.filter(  # all kinds, for the index
        state=State.FAILED, kind__in=ReactionKind.values, decided_at__gte=begin
    )
    if count := failed.values("pk")[:COUNTED].count():
        query = {"state": State.FAILED.value, "since": since}
        text = f"{_up_to(count)} action{_s(count)} failed"
        found.append(Need("Actions", text, "red", f"{actions}?{urlencode(query)}"))
    return found


def _up_to(count: int) -> str:
    return f"{count} or more" if count == COUNTED else str(count)


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _text(at: datetime, shown_range: Range) -> str:
    """Returns an instant as a filter of a list."""
    return shown(at, "minute" if shown_range.is_by_hour else "day")


def _drawn(
    bars: Sequence[datetime],
    by_bar: Counter[tuple[datetime, str]],
    highest: int,
    shown_range: Range,
) -> Iterator[Bar]:
    step = WIDTH / shown_range.bars
    for number, at in enumerate(bars):
        counts = [by_bar[at, severity] for severity in SEVERITIES]
        y = float(HEIGHT)
        segments = []
        for (severity, label), count in zip(SEVERITIES.items(), counts, strict=True):
            if count:
                height = max(2.0, HEIGHT * count / highest)  # at least 2, so it can be clicked
                y -= height
                query = urlencode(
                    {
                        "since": _text(at, shown_range),
                        "until": _text(at + shown_range.bar, shown_range),
                        "severity": severity or "unknown",
                    }
                )
                segments.append(
                    Segment(severity, label, count, round(y, 1), round(height, 1), query)
                )
        named = number % (1 if shown_range.bars < 10 else shown_range.bars // 6) == 0
        name = f"{at.day} {at:%B}" + (f" {at:%H:%M}" if shown_range.is_by_hour else "")
        yield Bar(at, round(number * step, 1), name, named, segments, counts, sum(counts))


def _reactions(begin: datetime, since: str) -> Iterator[Line]:
    for kind, state, count in action_counts.by_kind_and_state(begin):
        query = urlencode({"action": kind.value, "state": state.value, "since": since})
        name = f"{kind.label}: {state.label.lower()}"
        yield Line(name, kind.value, capped.text(count), query)
