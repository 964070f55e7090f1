"""Filters for lists, declared once as the pydantic model of an API query.

The form of the page and the database lookups are derived from that model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args
from urllib.parse import urlencode

from django import forms
from django.db.models import QuerySet, TextChoices
from django.utils.text import Truncator
from pydantic import AfterValidator, BaseModel, Field
from pydantic.fields import FieldInfo

_Q = TypeVar("_Q", bound=QuerySet[Any])

_CHIP = 60  # characters of a value; the URL can be thousands long


def _not_blank(text: str) -> str:
    """Reject blank text, which a form would treat as no filter."""
    if not text.strip():
        raise ValueError("It must not be blank. Omit it instead.")
    return text


def _without_nul(text: str) -> str:
    """Reject NUL, which PostgreSQL cannot store."""
    if "\0" in text:
        raise ValueError("It must not contain NUL.")
    return text


Instant = Annotated[
    str,
    AfterValidator(_not_blank),
    Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-23T12:00:00Z"]),
]
Name = Annotated[
    str,
    AfterValidator(_not_blank),
    AfterValidator(_without_nul),
    Field(min_length=1, json_schema_extra={"pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"}),
]


@dataclass(frozen=True, slots=True)
class Filter:
    """Metadata that marks a field of a query as a filter and describes its form field."""

    lookup: str = ""  # of the database; "" if the list applies the filter itself
    label: str | None = None
    choices: tuple[tuple[str, str], ...] = ()  # default: "Any" and those of the type
    help_text: str = ""
    empty: str = "Any"  # the label of no choice
    is_search: bool = False


class Period(TextChoices):
    """The values of a filter by time that ends now."""

    HOUR = "1h", "1 h"
    DAY = "24h", "24 h"
    WEEK = "7d", "7 d"
    MONTH = "30d", "30 d"

    @property
    def length(self) -> timedelta:
        """How long it is."""
        number = int(self.value[:-1])
        return timedelta(hours=number) if self.value.endswith("h") else timedelta(days=number)


@dataclass(frozen=True, slots=True)
class Link:
    """A link that changes the filters of a list."""

    label: str
    text: str
    url: str
    is_current: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a column by which a list can be sorted."""

    url: str  # of the list in the next order of this column
    aria: str  # "ascending", "descending", or "" if the list is in another order


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


class SearchInput(forms.TextInput):
    """The search box of a list."""

    input_type = "search"


class FilterForm(forms.Form):
    """A form of optional filters, whose field names are the query parameters."""

    @property
    def search(self) -> forms.BoundField | None:
        """The search box, if it has one."""
        return next((one for one in self if one.widget_type == "search"), None)

    @property
    def folded(self) -> list[forms.BoundField]:
        """The fields but the search box and the presets, which stand before the others."""
        return [one for one in self if one.widget_type != "search" and one.name != "period"]

    def asked(self) -> dict[str, Any]:
        """Return the filters of a valid form that have a value."""
        return {name: value for name, value in self.cleaned_data.items() if value}


def form_of(query: type[BaseModel]) -> type[FilterForm]:
    """Return the form class for the filters of a query."""
    fields = {name: _form_field(info, shown) for name, info, shown in _filters(query)}
    return type(f"{query.__name__}Form", (FilterForm,), fields)


def chips(form: forms.Form, wanted: Mapping[str, str], path: str) -> list[Link]:
    """Return, for each filter that has a value, a link to the list without it."""
    return [
        Link(
            str(form[name].label),
            _choices(form.fields[name]).get(value) or Truncator(value).chars(_CHIP),
            _url(path, wanted, {name: ""}),
        )
        for name, value in wanted.items()
        if name in form.fields
    ]


def presets(
    form: forms.Form,
    name: str,
    wanted: Mapping[str, str],
    path: str,
    *,
    instead_of: Sequence[str] = (),
) -> list[Link]:
    """Return a link for each choice of a field. It takes the place of the fields `instead_of`."""
    return [
        Link(
            str(form[name].label),
            label,
            _url(path, wanted, {name: value, **dict.fromkeys(instead_of, "")}),
            is_current=wanted.get(name, "") == value,
        )
        for value, label in _choices(form.fields[name]).items()
    ]


def heads(
    columns: Mapping[str, Mapping[str, str]], wanted: Mapping[str, str], path: str
) -> dict[str, Head]:
    """Return the heads of the columns by which a list can be sorted.

    For each column, `columns` maps the values of the parameter `sort` to their direction. A link
    leads to the first of them, or from one to the next.
    """
    current = wanted.get("sort", "")
    found = {}
    for name, orders in columns.items():
        values = list(orders)
        index = (values.index(current) + 1) % len(values) if current in orders else 0
        url = _url(path, wanted, {"sort": values[index]})
        found[name] = Head(url, orders.get(current, ""))
    return found


def _choices(field: forms.Field) -> dict[str, str]:
    """Return the labels of a choice field by value; {} for other fields."""
    return {str(value): str(label) for value, label in getattr(field, "choices", ())}


def _url(path: str, wanted: Mapping[str, str], changed: Mapping[str, str]) -> str:
    kept = {name: value for name, value in {**wanted, **changed}.items() if value}
    return f"{path}?{urlencode(kept)}" if kept else path


def narrow(rows: _Q, query: type[BaseModel], asked: Mapping[str, Any]) -> _Q:
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
        return forms.ChoiceField(choices=[("", shown.empty), *kind.choices], **common)  # type: ignore[attr-defined]
    if kind == Instant:
        return InstantField(**common)
    [longest] = [one.max_length for one in info.metadata if hasattr(one, "max_length")]
    if shown.is_search:
        common["widget"] = SearchInput()
    return forms.CharField(max_length=longest, **common)
