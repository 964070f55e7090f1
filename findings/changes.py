"""The policy change log, newest first, with filters and an export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

from django.db.models import Q, QuerySet
from django.http import StreamingHttpResponse
from pydantic import BaseModel, ConfigDict, Field

from findings import export
from findings.models import PolicyChange
from storage import filters
from storage.filters import Filter, Instant, Name
from storage.paging import NumberPager, Rows

PAGER = NumberPager(50)

_COLUMNS = (
    "changed_at",
    "changed_by_name",
    "client_id",
    "source",
    "service",
    "finding_type",
    "severity",
    "action_before",
    "action_after",
)


class ChangeQuery(BaseModel):
    """Filters for policy changes. A change must match all given filters."""

    model_config = ConfigDict(use_enum_values=True)

    q: Annotated[
        Name | None,
        Filter(
            label="Search", help_text="Words of a finding type, service or name", is_search=True
        ),
    ] = Field(None, max_length=200)
    period: Annotated[filters.Period | None, Filter(label="Changed", empty="Any time")] = None
    since: Annotated[Instant | None, Filter("changed_at__gte", "From (UTC)")] = None
    until: Annotated[Instant | None, Filter("changed_at__lt", "To (UTC)")] = None
    by: Annotated[
        Name | None, Filter(label="Changed by", help_text="User name, or name or ID of a client")
    ] = Field(None, max_length=200)
    type: Annotated[Name | None, Filter(label="Finding type or service")] = Field(
        None, max_length=100
    )
    source: Annotated[PolicyChange.Source | None, Filter("source", "Changed in")] = None


ChangeFilter = filters.form_of(ChangeQuery)


def listed(asked: Mapping[str, Any], *, now: datetime) -> QuerySet[PolicyChange]:
    """Returns the changes that match the values of a valid ChangeFilter, newest first."""
    changes = PolicyChange.objects.newest_first().matching(asked.get("q", ""))
    if period := asked.get("period"):
        changes = changes.filter(changed_at__gte=now - filters.Period(period).length)
    if by := asked.get("by"):
        changes = changes.filter(Q(changed_by_name__iexact=by) | Q(client_id=by))
    if wanted := asked.get("type"):
        changes = changes.filter(Q(finding_type__iexact=wanted) | Q(service__iexact=wanted))
    return filters.narrow(changes, ChangeQuery, asked)


def exported(changes: QuerySet[PolicyChange], *, now: datetime) -> StreamingHttpResponse:
    """Returns the changes as a CSV download, newest first."""
    return export.download(
        export.csv_lines(_COLUMNS, _lines(changes)), name="policy-changes", form="csv", now=now
    )


def _lines(changes: QuerySet[PolicyChange]) -> Iterator[list[Any] | None]:
    for change in export.up_to_the_limit(Rows(changes, [[changes]]), by="changed_at"):
        yield [getattr(change, column) for column in _COLUMNS] if change else None
