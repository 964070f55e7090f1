"""The list of entities that findings name, with statistics per entity."""

from __future__ import annotations

from datetime import timedelta

from django import forms
from django.db.models import Count, Max, Min, QuerySet

from findings.guardduty.parser import Kind
from findings.models import Entity
from storage.paging import NumberPager

PAGER = NumberPager(50)
STALE = timedelta(days=90)  # an entity not seen for longer is marked stale


class EntityFilter(forms.Form):
    """Filters the entity list. All fields are optional; field names are the query parameters."""

    kind = forms.ChoiceField(
        required=False,
        choices=[("", "Any"), *((kind.value, kind.value.capitalize()) for kind in Kind)],
    )
    name = forms.CharField(required=False, max_length=512, help_text="Partial match")

    def narrow(self, entities: QuerySet[Entity]) -> QuerySet[Entity]:
        """Returns the entities that match this filter, which must be valid."""
        if kind := self.cleaned_data["kind"]:
            entities = entities.filter(kind=kind)
        if name := self.cleaned_data["name"]:
            entities = entities.filter(name__icontains=name)
        return entities


def with_statistics(entities: QuerySet[Entity]) -> QuerySet[Entity]:
    """Annotates entities with `findings` and `types` (counts), `first_seen_at` and `last_seen_at`.

    Entities with the most finding types come first.
    """
    return entities.annotate(
        findings=Count("mention__finding", distinct=True),
        types=Count("mention__finding__finding_type", distinct=True),
        first_seen_at=Min("mention__finding__seen_at"),
        last_seen_at=Max("mention__finding__seen_at"),
    ).order_by("-types", "-findings", "name", "pk")
