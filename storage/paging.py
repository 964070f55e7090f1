"""A list, newest first, page by page. templates/_pages.html shows the links of a page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar
from urllib.parse import urlencode

from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest

_M = TypeVar("_M", bound=Model)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Page(Generic[_M]):
    """Some rows of a list, and which page follows."""

    rows: list[_M]
    next: str = ""  # the cursor or the number of the next page; "" where there is none


@dataclass(frozen=True, slots=True)
class ShownPage(Generic[_M]):
    """A page that an address asks for, with the addresses of those beside it; "" for none."""

    rows: list[_M]
    is_first: bool
    newer: str
    older: str


class CursorPager:
    """Newest first by the primary key, or `by` an instant and then by the primary key.

    A page stays where it is, however many rows are added meanwhile.
    """

    parameter = "after"

    def __init__(self, size: int, *, by: str = "") -> None:
        self.size = size
        self.by = by
        # An instant is in microseconds since 1970.
        self.pattern = r"([0-9]{1,17})\.([0-9]{1,18})" if by else "[0-9]{1,18}"

    def page(self, rows: QuerySet[_M], *, after: str = "") -> Page[_M]:
        """The rows behind a cursor. Raises ValueError for a cursor that no page has."""
        order = [f"-{self.by}", "-pk"] if self.by else ["-pk"]
        rows = rows.order_by(*order)
        if after:
            rows = self._behind(rows, after)
        found = list(rows[: self.size + 1])  # one row more tells whether there are older ones
        if len(found) <= self.size:
            return Page(found)
        return Page(found[: self.size], self._cursor(found[self.size - 1]))

    def shown(self, request: HttpRequest, rows: QuerySet[_M]) -> ShownPage[_M]:
        """The page that the address asks for. Raises Http404."""
        after = request.GET.get(self.parameter, "")
        try:
            page = self.page(rows, after=after)
        except (ValueError, OverflowError):
            raise Http404("There is no such page.") from None
        is_first = self.parameter not in request.GET
        kept = wanted(request)
        return ShownPage(
            page.rows,
            is_first,
            newer="" if is_first else _address(request, kept),
            older=_address(request, {**kept, self.parameter: page.next}) if page.next else "",
        )

    def _behind(self, rows: QuerySet[_M], cursor: str) -> QuerySet[_M]:
        if not (match := re.fullmatch(self.pattern, cursor)):
            msg = "No page of this list has such a cursor."
            raise ValueError(msg)
        if not self.by:
            return rows.filter(pk__lt=int(cursor))
        instant, pk = _EPOCH + int(match[1]) * _MICROSECOND, int(match[2])
        # Not as "or": for that, databases would walk the index from its beginning.
        return rows.filter(**{f"{self.by}__lte": instant}).exclude(
            **{self.by: instant, "pk__gte": pk}
        )

    def _cursor(self, row: Model) -> str:
        if not self.by:
            return str(row.pk)
        return f"{(getattr(row, self.by) - _EPOCH) // _MICROSECOND}.{row.pk}"


class NumberPager:
    """Pages by their number, for a list whose order is no order of arrival."""

    parameter = "page"

    def __init__(self, size: int) -> None:
        self.size = size

    def shown(self, request: HttpRequest, rows: QuerySet[_M]) -> ShownPage[_M]:
        """The page that the address asks for, in the order of the rows. Raises Http404."""
        text = request.GET.get(self.parameter, "1")
        if not (text.isascii() and text.isdigit() and 0 < int(text) < 10**6):
            raise Http404("There is no such page.")
        number = int(text)
        first = (number - 1) * self.size
        found = list(rows[first : first + self.size + 1])
        kept = wanted(request)

        def address(number: int) -> str:
            return _address(request, {self.parameter: str(number), **kept})

        return ShownPage(
            found[: self.size],
            is_first=number == 1,
            newer=address(number - 1) if number > 1 else "",
            older=address(number + 1) if len(found) > self.size else "",
        )


def wanted(request: HttpRequest) -> dict[str, str]:
    """What the address asks a list to be narrowed to: its parameters but for that of the page."""
    pages = {CursorPager.parameter, NumberPager.parameter}
    return {name: str(text) for name, text in request.GET.items() if text and name not in pages}


def _address(request: HttpRequest, parameters: Mapping[str, str]) -> str:
    return f"?{urlencode(parameters)}" if parameters else request.path
