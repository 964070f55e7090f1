"""What findings have named: how often, since when, and in how many kinds of threat."""

from __future__ import annotations

from datetime import timedelta

from django import forms
from django.db.models import Count, Max, Min, QuerySet

from findings.guardduty.parser import Kind
from findings.models import Entity
from storage.paging import NumberPager

PAGER = NumberPager(50)
STALE = timedelta(days=90)  # after which nobody has seen it any more


class EntityFilter(forms.Form):
    """Everything is optional. The names are those of the address."""

    kind = forms.ChoiceField(
        required=False,
        choices=[("", "Any"), *((kind.value, kind.value.capitalize()) for kind in Kind)],
    )
    name = forms.CharField(required=False, max_length=512, help_text="a piece of it is enough")

    def narrow(self, entities: QuerySet[Entity]) -> QuerySet[Entity]:
        """What a valid filter leaves of them."""
        if kind := self.cleaned_data["kind"]:
            entities = entities.filter(kind=kind)
        if name := self.cleaned_data["name"]:
            entities = entities.filter(name__icontains=name)
        return entities


def with_statistics(entities: QuerySet[Entity]) -> QuerySet[Entity]:
    """With `findings`, `types`, `first_seen_at` and `last_seen_at`; of several types first."""
    return entities.annotate(
        findings=Count("mention__finding", distinct=True),
        types=Count("mention__finding__finding_type", distinct=True),
        first_seen_at=Min("mention__finding__seen_at"),
        last_seen_at=Max("mention__finding__seen_at"),
    ).order_by("-types", "-findings", "name", "pk")
