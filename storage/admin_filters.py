"""Restricts the query parameters that can filter an admin change list."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.contrib.admin import FieldListFilter
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import get_fields_from_path
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

_DATE_PART = re.compile(r"[1-9][0-9]{0,2}|[12][0-9]{3}")

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    Base = ModelAdmin[Any]
else:
    Base = object


class OwnFiltersOnly(Base):
    """A ModelAdmin mixin whose change list accepts only the parameters of its own filters.

    Django lets users who can view the list filter it by any column, also by hidden ones, so that
    `?key__regex=^eyJ` reveals a secret character by character. Other parameters get status 400. Put
    this class before ModelAdmin in the list of bases.
    """

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Return whether this parameter and value may filter the list."""
        if lookup in _parts_of_a_date(self):
            return bool(_DATE_PART.fullmatch(value))  # Django raises an error for invalid dates
        return "\0" not in value and lookup in set(_offered(self, request))  # for PostgreSQL

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Run an action. Raises BadRequest for invalid row IDs, which would cause a 500."""
        for name in request.POST.getlist(ACTION_CHECKBOX_NAME):
            try:
                key = self.opts.pk.to_python(name)
            except ValidationError:
                raise BadRequest from None
            if "\0" in name or (isinstance(key, int) and abs(key) >= 2**63):
                raise BadRequest
        return super().response_action(request, queryset, *args, **kwargs)


def _offered(model_admin: ModelAdmin[Any], request: HttpRequest) -> Iterator[str]:
    for item in model_admin.get_list_filter(request):
        spec: Any
        if callable(item):
            spec = item(request, {}, model_admin.model, model_admin)
        else:
            named: Any = item if isinstance(item, tuple | list) else (item, FieldListFilter.create)
            path, create = named
            field = get_fields_from_path(model_admin.model, path)[-1]
            spec = create(field, request, {}, model_admin.model, model_admin, field_path=path)
        yield from filter(None, spec.expected_parameters())


def _parts_of_a_date(model_admin: ModelAdmin[Any]) -> list[str]:
    field = model_admin.date_hierarchy
    return [f"{field}__{part}" for part in ("year", "month", "day")] if field else []
