"""What is known of one entity: its findings over time, what is in force, who it was seen with.

Each query reads at most NEWEST mentions, so the page costs the same for an entity with a million.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count

from actions.models import Allowance, Reaction
from console.dashboard import Line
from findings.guardduty.parser import Address
from findings.models import Entity, Finding, Mention
from storage.instants import shown

NEWEST = 1000  # mentions
DAYS = 30
LISTED = 25
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

    findings: int
    is_partial: bool  # there are more than NEWEST mentions
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    as_actor: int
    origin: Address | None  # of an address, from the newest finding
    bars: Sequence[Bar]
    highest: int
    types: Sequence[Line]
    newest: Sequence[Finding]
    seen_with: Sequence[Mapping[str, Any]]
    in_force: Sequence[Reaction]
    allowances: Sequence[Allowance]
    actions: Sequence[Reaction]


def known(entity: Entity, *, at: datetime) -> Known:
    """Returns what is known of the entity."""
    mentions = Mention.objects.filter(entity=entity)
    rows = list(
        mentions.order_by("-pk").values_list(
            "finding_id",
            "is_actor",
            "finding__seen_at",
            "finding__finding_type",
            "finding__first_seen_at",
        )[: NEWEST + 1]
    )
    is_partial = len(rows) > NEWEST
    rows = rows[:NEWEST]
    seen = {pk: (seen_at, finding_type) for pk, _, seen_at, finding_type, _ in rows}
    oldest = mentions.order_by("pk").select_related("finding").first()
    newest = list(
        Finding.objects.filter(pk__in=sorted(seen, key=lambda pk: seen[pk][0])[-LISTED:])
        .order_by("-seen_at", "-pk")
        .defer("description")
    )
    about = Reaction.objects.filter(target=entity.name, target_kind=entity.kind)
    types = Counter(finding_type for _, finding_type in seen.values())
    bars = _bars(entity, [seen_at for seen_at, _ in seen.values()], at)
    together = Mention.objects.filter(finding__in=list(seen)).exclude(entity=entity)
    return Known(
        findings=len(seen),
        is_partial=is_partial,
        first_seen_at=min(
            [
                *([_first_seen(oldest.finding)] if oldest else []),
                *(first_seen_at or seen_at for _, _, seen_at, _, first_seen_at in rows),
            ],
            default=None,
        ),
        last_seen_at=max((seen_at for seen_at, _ in seen.values()), default=None),
        as_actor=len({pk for pk, is_actor, *_ in rows if is_actor}),
        origin=_origin(entity, newest),
        bars=bars,
        highest=max((bar.count for bar in bars), default=0),
        types=[
            Line(name, "", count, urlencode({"type": name, "entity": entity.name}))
            for name, count in types.most_common(10)
        ],
        newest=newest,
        seen_with=list(
            together.values("entity_id", "entity__kind", "entity__name")
            .annotate(count=Count("finding", distinct=True))
            .order_by("-count", "entity__name")[:20]
        ),
        in_force=list(about.in_force().select_related("finding").order_by("-pk")),
        allowances=list(
            Allowance.objects.in_force(at)
            .filter(kind=entity.kind, name=entity.name)
            .select_related("added_by")
            .order_by("-pk")
        ),
        actions=list(about.order_by("-pk").prefetch_related("attempts")[:LISTED]),
    )


def _first_seen(finding: Finding) -> datetime:
    return finding.first_seen_at or finding.seen_at


def _bars(entity: Entity, seen: Sequence[datetime], at: datetime) -> Sequence[Bar]:
    today = datetime.combine(at.astimezone(UTC).date(), time(), UTC)
    days = [today - timedelta(days=DAYS - 1 - number) for number in range(DAYS)]
    counts = Counter(instant.astimezone(UTC).date() for instant in seen)
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
