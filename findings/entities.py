"""The list of entities that findings name, with statistics per entity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.db.models import OuterRef, QuerySet, Subquery, TextChoices
from django.db.models.functions import Coalesce

from findings import search
from findings.guardduty.lenient_json import address_in
from findings.guardduty.parser import Kind
from findings.models import Entity, Mention
from storage import filters
from storage.paging import NumberPager

PAGER = NumberPager(50, most=100)
STALE = timedelta(days=90)  # an entity not seen for longer is marked stale

# No index finds a part of a name. So a search compares the names of this many entities in full, the
# first of the list, and finds MOST of the others by the beginning of the name.
FIRST = 5000
MOST = 500
FEW = 5000  # entities that a database finds in one order and sorts in another without delay


class Sort(TextChoices):
    """The orders of the list."""

    FINDINGS = "findings", "Most findings first"
    SEEN = "seen", "Last seen first"
    NAME = "name", "By name"


# Each has an index, and another one for the entities of a kind.
_ORDERS = {
    "": ("-types", "-findings", "name", "pk"),
    Sort.FINDINGS: ("-findings", "name", "pk"),
    Sort.SEEN: ("-last_seen_at", "-pk"),
    Sort.NAME: ("name", "pk"),
}
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "types": {"": "descending"},
    "findings": {Sort.FINDINGS: "descending"},
    "seen": {Sort.SEEN: "descending"},
    "name": {Sort.NAME: "ascending"},
}


class EntityFilter(filters.FilterForm):
    """Filters the entity list. All fields are optional; field names are the query parameters."""

    name = forms.CharField(
        label="Search",
        required=False,
        max_length=512,
        help_text=f"The beginning of a name, or a part of one of the first {FIRST:,}",
        widget=filters.SearchInput,
    )
    period = forms.ChoiceField(
        label="Last seen", required=False, choices=[("", "Any time"), *filters.Period.choices]
    )
    kind = forms.ChoiceField(
        required=False,
        choices=[("", "Any"), *((kind.value, kind.value.capitalize()) for kind in Kind)],
    )
    since = filters.InstantField(label="Last seen from (UTC)", required=False)
    until = filters.InstantField(label="Last seen to (UTC)", required=False)
    sort = forms.ChoiceField(
        required=False, choices=[("", "Most finding types first"), *Sort.choices]
    )

    def entities(self, *, now: datetime) -> QuerySet[Entity]:
        """Returns the entities that match this filter, which must be valid, in the order asked for.

        Each query stops at a number of rows, however many entities there are.
        """
        asked = self.asked()
        sort = asked.get("sort", "")
        entities = Entity.objects.all()
        if "kind" in asked:
            entities = entities.filter(kind=asked["kind"])
        entities = _seen(entities, asked, sort, now).order_by(*_ORDERS[sort])
        return _with_name(entities, asked["name"], sort) if "name" in asked else entities


def _seen(
    entities: QuerySet[Entity], asked: Mapping[str, Any], sort: str, now: datetime
) -> QuerySet[Entity]:
    """Returns those of the entities that were last seen in the period that is asked for."""
    within: dict[str, Any] = {}
    if "until" in asked:
        within["lt"] = asked["until"]
    if "since" in asked:
        within["gte"] = asked["since"]
    if period := asked.get("period"):
        begin = now - filters.Period(period).length
        within["gte"] = max(begin, within.get("gte", begin))
    by_time = entities.filter(**{f"last_seen_at__{name}": at for name, at in within.items()})
    if sort == Sort.SEEN:
        return by_time.exclude(last_seen_at=None)
    if not within:
        return entities
    found = by_time.order_by(*_ORDERS[Sort.SEEN]).values("pk")
    if found[: FEW + 1].count() <= FEW:
        return entities.filter(pk__in=found[:FEW])
    # Many match, so some are near the beginning of the list in any order. Not the column itself, by
    # whose index SQLite would read and sort all of them.
    unindexed = entities.alias(seen=Coalesce("last_seen_at", "last_seen_at"))
    return unindexed.filter(**{f"seen__{name}": at for name, at in within.items()})


def _with_name(entities: QuerySet[Entity], text: str, sort: str) -> QuerySet[Entity]:
    """Returns those of the entities, which are in the order `sort`, whose name contains the text.

    See FIRST.
    """
    text = address_in(text.strip()) or text.strip()
    part = text.casefold()
    first = entities.values_list("pk", "name")[:FIRST]
    containing = [pk for pk, name in first if part in name.casefold()]
    begins = Entity.objects.filter(search.begins(text)).values_list("pk", flat=True)
    found = entities.filter(pk__in={*containing[:MOST], *begins[:MOST]})
    # Not by the column itself, by whose index PostgreSQL would read all entities down to those of
    # the page.
    by, *rest = _ORDERS[sort]
    unindexed = Coalesce(by.removeprefix("-"), by.removeprefix("-"))
    return found.order_by(unindexed.desc() if by.startswith("-") else unindexed.asc(), *rest)


def give_first_seen(entities: Iterable[Entity]) -> None:
    """Sets `first_seen_at` on each entity. Runs one query."""
    listed = list(entities)
    seen = Mention.objects.filter(entity=OuterRef("pk"), seen_at__isnull=False)
    first = Subquery(seen.order_by("seen_at").values("seen_at")[:1])
    rows = Entity.objects.filter(pk__in=[one.pk for one in listed]).annotate(first=first)
    found = dict(rows.values_list("pk", "first"))
    for one in listed:
        one.first_seen_at = found.get(one.pk)
