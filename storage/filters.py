"""Filters for lists, declared once as the pydantic model of an API query.

The form of the page and the database lookups are derived from that model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args

from django import forms
from django.db.models import Model, QuerySet
from pydantic import AfterValidator, BaseModel, Field
from pydantic.fields import FieldInfo

_M = TypeVar("_M", bound=Model)


def _not_blank(text: str) -> str:
    """Reject blank text, which a form would treat as no filter."""
    if not text.strip():
        raise ValueError("It must not be blank. Omit it instead.")
    return text


Instant = Annotated[
    str,
    AfterValidator(_not_blank),
    Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-23T12:00:00Z"]),
]
Name = Annotated[
    str,
    AfterValidator(_not_blank),
    Field(min_length=1, json_schema_extra={"pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"}),
]


@dataclass(frozen=True, slots=True)
class Filter:
    """Metadata that marks a field of a query as a filter and describes its form field."""

    lookup: str = ""  # of the database; "" if the list applies the filter itself
    label: str | None = None
    choices: tuple[tuple[str, str], ...] = ()  # default: "Any" and those of the type
    help_text: str = ""


class InstantField(forms.DateTimeField):
    """A datetime in UTC. Rejects values that overflow in UTC.

    The browser shows a picker with seconds. The query parameter may also be a date, or have an
    offset.
    """

    widget = forms.DateTimeInput(
        attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"
    )

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return the submitted value as a datetime; invalid values unchanged."""
        try:
            return self.to_python(data)  # the picker requires this format
        except forms.ValidationError:
            return data

    def to_python(self, value: Any) -> datetime | None:
        try:
            instant = super().to_python(value)
            return instant and instant.astimezone(UTC)
        except OverflowError:
            raise forms.ValidationError(self.error_messages["invalid"]) from None


class FilterForm(forms.Form):
    """A form of optional filters, whose field names are the query parameters."""

    def asked(self) -> dict[str, Any]:
        """Return the filters of a valid form that have a value."""
        return {name: value for name, value in self.cleaned_data.items() if value}


def form_of(query: type[BaseModel]) -> type[FilterForm]:
    """Return the form class for the filters of a query."""
    fields = {name: _form_field(info, shown) for name, info, shown in _filters(query)}
    return type(f"{query.__name__}Form", (FilterForm,), fields)


def narrow(rows: QuerySet[_M], query: type[BaseModel], asked: Mapping[str, Any]) -> QuerySet[_M]:
    """Return the rows that match the filters in `asked`, with the lookups of the query."""
    return rows.filter(
        **{
            shown.lookup: asked[name]
            for name, _, shown in _filters(query)
            if shown.lookup and name in asked
        }
    )


def _filters(query: type[BaseModel]) -> list[tuple[str, FieldInfo, Filter]]:
    return [
        (name, info, shown)
        for name, info in query.model_fields.items()
        for shown in info.metadata
        if isinstance(shown, Filter)
    ]


def _form_field(info: FieldInfo, shown: Filter) -> forms.Field:
    [kind] = [one for one in get_args(info.annotation) if one is not NoneType]
    common: dict[str, Any] = {
        "required": False,
        "label": shown.label,
        "help_text": shown.help_text,
    }
    if shown.choices:
        return forms.ChoiceField(choices=shown.choices, **common)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return forms.ChoiceField(choices=[("", "Any"), *kind.choices], **common)  # type: ignore[attr-defined]
    if kind == Instant:
        return InstantField(**common)
    [longest] = [one.max_length for one in info.metadata if hasattr(one, "max_length")]
    return forms.CharField(max_length=longest, **common)
