"""The list of entities that findings name, with statistics per entity."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.db.models import OuterRef, QuerySet, Subquery, TextChoices

from findings.guardduty.parser import Kind
from findings.models import Entity, Mention
from storage import filters
from storage.paging import NumberPager

PAGER = NumberPager(50)
STALE = timedelta(days=90)  # an entity not seen for longer is marked stale


class Sort(TextChoices):
    """The orders of the list."""

    FINDINGS = "findings", "Most findings first"
    SEEN = "seen", "Last seen first"
    NAME = "name", "By name"


_ORDERS = {
    Sort.FINDINGS: ("-findings", "name", "pk"),
    Sort.SEEN: ("-last_seen_at", "name", "pk"),
    Sort.NAME: ("name", "pk"),
}
_LOOKUPS = {
    "kind": "kind",
    "name": "name__icontains",
    "since": "last_seen_at__gte",
    "until": "last_seen_at__lt",
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
        help_text="Part of a name",
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

    def narrow(self, entities: QuerySet[Entity], *, now: datetime) -> QuerySet[Entity]:
        """Returns the entities that match this filter, in the order asked for.

        The filter must be valid, and the entities have the statistics.
        """
        asked = self.asked()
        lookups: dict[str, Any] = {
            lookup: asked[name] for name, lookup in _LOOKUPS.items() if name in asked
        }
        entities = entities.filter(**lookups)
        if period := asked.get("period"):
            newest: dict[str, Any] = {"last_seen_at__gte": now - filters.Period(period).length}
            entities = entities.filter(**newest)
        return entities.order_by(*_ORDERS[asked["sort"]]) if "sort" in asked else entities


def with_statistics(entities: QuerySet[Entity]) -> QuerySet[Entity]:
    """Annotates entities, which have sums, with `first_seen_at` and `last_seen_at`.

    Entities with the most finding types come first.
    """
    # Not Min and Max, which read all mentions of an entity: an index has the first and the last.
    seen = Mention.objects.filter(entity=OuterRef("pk"), seen_at__isnull=False)
    return entities.annotate(
        first_seen_at=Subquery(seen.order_by("seen_at").values("seen_at")[:1]),
        last_seen_at=Subquery(seen.order_by("-seen_at").values("seen_at")[:1]),
    ).order_by("-types", "-findings", "name", "pk")
