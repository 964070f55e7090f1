"""What is known of one entity: its findings over time, what is in force, who it was seen with.

Each query reads sums or at most NEWEST mentions, so the page costs the same for an entity with a
million.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from urllib.parse import urlencode

from django.db.models import Sum

from actions import log
from actions.models import Allowance, Reaction
from console.dashboard import Line
from findings.guardduty.parser import Address
from findings.models import Entity, Finding, Mention
from storage.instants import shown

NEWEST = 1000  # mentions
DAYS = 30
LISTED = 25
TOGETHER = 20
HEIGHT = 60  # of the chart, in SVG units
STEP = 24


@dataclass(frozen=True, slots=True)
class Bar:
    """The findings of one day, and their position in the chart."""

    date: datetime
    count: int
    x: int
    y: float
    height: float
    query: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the page shows."""

    is_partial: bool  # it has more findings than the NEWEST, in which `seen_with` counts
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    origin: Address | None  # of an address, from the newest finding
    bars: Sequence[Bar]
    highest: int
    types: Sequence[Line]
    newest: Sequence[Finding]
    seen_with: Sequence[tuple[Entity, int]]
    in_force: Sequence[Reaction]
    allowances: Sequence[Allowance]
    actions: Sequence[Reaction]


def known(entity: Entity, *, at: datetime) -> Known:
    """Returns what is known of the entity."""
    mentions = Mention.objects.filter(entity=entity, seen_at__isnull=False)
    rows = mentions.order_by("-seen_at", "-finding").values_list(
        "finding_id", "seen_at", "finding__first_seen_at"
    )
    seen = {pk: (seen_at, first) for pk, seen_at, first in rows[:NEWEST] if seen_at}
    newest = list(
        Finding.objects.filter(pk__in=[*seen][:LISTED])
        .order_by("-seen_at", "-pk")
        .defer("description")
    )
    oldest = rows.order_by("seen_at", "finding")[:1]
    times = [*seen.values(), *((seen_at, first) for _, seen_at, first in oldest if seen_at)]
    about = Reaction.objects.filter(target=entity.name, target_kind=entity.kind)
    bars = _bars(entity, at)
    types = entity.sums.values_list("finding_type").annotate(count=Sum("findings"))
    return Known(
        is_partial=entity.findings > len(seen),
        first_seen_at=min(
            (first or seen_at for seen_at, first in times),
            default=None,
        ),
        last_seen_at=max((seen_at for seen_at, _ in times), default=None),
        origin=_origin(entity, newest),
        bars=bars,
        highest=max((bar.count for bar in bars), default=0),
        types=[
            Line(name, "", count, urlencode({"type": name, "entity": entity.name}))
            for name, count in types.filter(count__gt=0).order_by("-count", "finding_type")[:10]
        ],
        newest=newest,
        seen_with=_seen_with(entity, seen),
        in_force=list(log.current(about, at=at).select_related("finding").order_by("-pk")),
        allowances=list(
            Allowance.objects.in_force(at)
            .filter(kind=entity.kind, name=entity.name)
            .select_related("added_by")
            .order_by("-pk")
        ),
        actions=list(about.order_by("-pk").prefetch_related("attempts")[:LISTED]),
    )


def _seen_with(entity: Entity, findings: Collection[int]) -> Sequence[tuple[Entity, int]]:
    """Returns the entities that most of these findings name as well, and how many do."""
    together = Mention.objects.filter(finding__in=findings).exclude(entity=entity)
    # Without the names, for which SQLite would begin with all entities.
    pairs = set(together.values_list("entity_id", "finding_id"))
    counts = Counter(pk for pk, _ in pairs)
    last = min((count for _, count in counts.most_common(TOGETHER)), default=0)
    found = Entity.objects.filter(pk__in=[pk for pk, count in counts.items() if count >= last])
    return sorted(((one, counts[one.pk]) for one in found), key=lambda one: (-one[1], one[0].name))[
        :TOGETHER
    ]


def _bars(entity: Entity, at: datetime) -> Sequence[Bar]:
    today = datetime.combine(at.astimezone(UTC).date(), time(), UTC)
    days = [today - timedelta(days=DAYS - 1 - number) for number in range(DAYS)]
    sums = entity.sums.filter(day__gte=days[0].date(), day__lte=today.date())
    counts = +Counter(dict(sums.values_list("day").annotate(count=Sum("findings"))))
    highest = max((counts[day.date()] for day in days), default=0) or 1
    found = []
    for number, day in enumerate(days):
        count = counts[day.date()]
        height = max(2.0, HEIGHT * count / highest) if count else 0.0
        query = urlencode(
            {
                "entity": entity.name,
                "since": shown(day, "day"),
                "until": shown(day + timedelta(days=1), "day"),
            }
        )
        found.append(
            Bar(day, count, number * STEP, round(HEIGHT - height, 1), round(height, 1), query)
        )
    return found


def _origin(entity: Entity, newest: Sequence[Finding]) -> Address | None:
    for finding in newest[:1]:
        parsed = finding.parsed
        for said in parsed.addresses if parsed else ():
            if said.address == entity.name:
                return said
    return None
