"""Pagination of lists. templates/_pages.html renders the links between pages."""

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
    """The rows of a page, and the next page."""

    rows: list[_M]
    next: str = ""  # the cursor of the next page; "" if there is none


@dataclass(frozen=True, slots=True)
class ShownPage(Generic[_M]):
    """The page for a request, with the URLs of the newer and the older page; "" for none."""

    rows: list[_M]
    is_first: bool
    newer: str
    older: str


class CursorPager:
    """Pages of `size` rows, ordered newest first by primary key, or by the datetime field `by`.

    New rows do not shift the pages.
    """

    parameter = "after"

    def __init__(self, size: int, *, by: str = "") -> None:
        self.size = size
        self.by = by
        # A datetime is in microseconds since 1970.
        self.pattern = r"([0-9]{1,17})\.([0-9]{1,18})" if by else "[0-9]{1,18}"

    def page(self, rows: QuerySet[_M], *, after: str = "") -> Page[_M]:
        """Return the page after a cursor. Raises ValueError or OverflowError for an invalid one."""
        order = [f"-{self.by}", "-pk"] if self.by else ["-pk"]
        rows = rows.order_by(*order)
        if after:
            rows = self._behind(rows, after)
        found = list(rows[: self.size + 1])  # an extra row shows whether there are older ones
        if len(found) <= self.size:
            return Page(found)
        return Page(found[: self.size], self._cursor(found[self.size - 1]))

    def shown(self, request: HttpRequest, rows: QuerySet[_M], *, path: str = "") -> ShownPage[_M]:
        """Return the page for the query parameters of a request. Raises Http404.

        `path` is the path of the list, if it is not that of the request.
        """
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
            newer="" if is_first else _address(request, kept, path),
            older=_address(request, {**kept, self.parameter: page.next}, path) if page.next else "",
        )

    def _behind(self, rows: QuerySet[_M], cursor: str) -> QuerySet[_M]:
        if not (match := re.fullmatch(self.pattern, cursor)):
            msg = "The cursor is not valid."
            raise ValueError(msg)
        if not self.by:
            return rows.filter(pk__lt=int(cursor))
        instant, pk = _EPOCH + int(match[1]) * _MICROSECOND, int(match[2])
        # Not with OR, which makes databases scan the index from its start.
        return rows.filter(**{f"{self.by}__lte": instant}).exclude(
            **{self.by: instant, "pk__gte": pk}
        )

    def _cursor(self, row: Model) -> str:
        if not self.by:
            return str(row.pk)
        return f"{(getattr(row, self.by) - _EPOCH) // _MICROSECOND}.{row.pk}"


class NumberPager:
    """Numbered pages of `size` rows, for lists that are not ordered by time."""

    parameter = "page"

    def __init__(self, size: int) -> None:
        self.size = size

    def shown(self, request: HttpRequest, rows: QuerySet[_M]) -> ShownPage[_M]:
        """Return the page for the query parameters of a request. Raises Http404."""
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
    """Return the nonempty query parameters of a request, except those of pagination."""
    pages = {CursorPager.parameter, NumberPager.parameter}
    return {name: str(text) for name, text in request.GET.items() if text and name not in pages}


def _address(request: HttpRequest, parameters: Mapping[str, str], path: str = "") -> str:
    path = path or request.path
    if not parameters:
        return path
    return f"{'' if path == request.path else path}?{urlencode(parameters)}"
