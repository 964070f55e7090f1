"""Pagination of lists. templates/_pages.html renders the links between pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar
from urllib.parse import urlencode

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest

_M = TypeVar("_M", bound=Model)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Rows(Generic[_M]):
    """A list that no single query finds fast: groups one after another, each of several branches.

    A row may match several branches of its group, and no other group. `load` is the query of all
    rows, as the list shows them. `lead` is a column by which they are sorted first, ascending; the
    value in a row never changes.
    """

    load: QuerySet[_M]
    groups: Sequence[Sequence[QuerySet[_M]]]
    oldest_first: bool = False
    lead: str = ""


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
    is_cut: bool = False  # the pager shows no more rows, but there are


class CursorPager:
    """Pages of `size` rows, ordered newest first by primary key, or by the datetime field `by`.

    New rows do not shift the pages.
    """

    parameter = "after"

    def __init__(self, size: int, *, by: str = "") -> None:
        self.size = size
        self.by = by
        # The group, unless it is the first, and a datetime in microseconds since 1970.
        self.pattern = r"(?:([0-9])-)?([0-9]{1,17})\.([0-9]{1,18})" if by else "[0-9]{1,18}"

    def page(self, rows: QuerySet[_M] | Rows[_M], *, after: str = "") -> Page[_M]:
        """Return the page after a cursor. Raises ValueError or OverflowError for an invalid one."""
        if not isinstance(rows, Rows):
            rows = Rows(rows, [[rows]])
        found: list[_M] = []
        groups: list[int] = []  # of each row
        for number, branches in self._left(rows, after):
            missing = self.size + 1 - len(found)  # an extra row shows whether there are older ones
            if not missing:
                break
            found += self._first(branches, rows, missing)
            groups += [number] * (len(found) - len(groups))
        if len(found) <= self.size:
            return Page(found)
        last = self.size - 1
        group = f"{groups[last]}-" if groups[last] else ""
        return Page(found[: self.size], group + self.cursor(found[last]))

    def _left(self, rows: Rows[_M], after: str) -> Iterator[tuple[int, Sequence[QuerySet[_M]]]]:
        """Yield the number and the branches of each group, without the rows before the cursor."""
        groups = list(enumerate(rows.groups))
        if not after:
            yield from groups
            return
        first, pk, behind = self._behind(after, rows.oldest_first)
        lead = rows.load.filter(pk=pk).values_list(rows.lead).first() if rows.lead else None
        for number, branches in groups[first:]:
            if number > first:
                yield number, branches
            elif not rows.lead:
                yield number, [behind(branch) for branch in branches]
            elif lead:
                # Two groups, because with OR, databases do not use the index.
                yield number, [behind(branch.filter(**{rows.lead: lead[0]})) for branch in branches]
                yield (
                    number,
                    [branch.filter(**{f"{rows.lead}__gt": lead[0]}) for branch in branches],
                )

    def _first(self, branches: Sequence[QuerySet[_M]], rows: Rows[_M], count: int) -> list[_M]:
        sign = "" if rows.oldest_first else "-"
        columns = [(rows.lead, ""), (self.by, sign), ("pk", sign)]
        order = [f"{sign}{name}" for name, sign in columns if name]
        # Each branch stops at its own `count` rows. With OR, databases read and sort all matches.
        # Only the primary keys, which an index often has: for whole rows, PostgreSQL would rather
        # read the newest of all and filter them, also where none of them matches.
        parts = []
        for branch in branches:
            names = [name for name, _ in columns if name]
            query = branch.order_by(*order).values_list(*names)[:count].query
            with suppress(EmptyResultSet):  # Django sees that nothing can match
                parts.append(query.sql_with_params())
        if not parts:
            return []
        union = " UNION ".join(
            f"SELECT * FROM ({sql}) AS branch{number}"  # noqa: S608  (Django's own SQL)
            for number, (sql, _) in enumerate(parts)
        )
        by = ", ".join(
            f"{number} {'DESC' if name.startswith('-') else 'ASC'}"
            for number, name in enumerate(order, 1)
        )
        with connection.cursor() as cursor:
            cursor.execute(
                f"{union} ORDER BY {by} LIMIT {count:d}",
                [parameter for _, parameters in parts for parameter in parameters],
            )
            pks = [row[-1] for row in cursor.fetchall()]
        return list(rows.load.filter(pk__in=pks).order_by(*order))

    def shown(
        self, request: HttpRequest, rows: QuerySet[_M] | Rows[_M], *, path: str = ""
    ) -> ShownPage[_M]:
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

    def _behind(
        self, cursor: str, oldest_first: bool
    ) -> tuple[int, int, Callable[[QuerySet[_M]], QuerySet[_M]]]:
        """Return the group of a cursor, the primary key, and what leaves the rows behind it."""
        if not (match := re.fullmatch(self.pattern, cursor)):
            msg = "The cursor is not valid."
            raise ValueError(msg)
        if not self.by:
            key = int(cursor)
            beyond = "pk__gt" if oldest_first else "pk__lt"
            return 0, key, lambda rows: rows.filter(**{beyond: key})
        instant, pk = _EPOCH + int(match[2]) * _MICROSECOND, int(match[3])
        beyond, before = ("gte", "lte") if oldest_first else ("lte", "gte")
        # Not with OR, which makes databases scan the index from its start.
        behind = {f"{self.by}__{beyond}": instant}
        passed = {self.by: instant, f"pk__{before}": pk}
        return int(match[1] or 0), pk, lambda rows: rows.filter(**behind).exclude(**passed)

    def is_behind(self, row: Model, cursor: str) -> bool:
        """Whether a row is not newer than that of a cursor; True if the cursor is invalid."""
        if not (match := re.fullmatch(self.pattern, cursor)):
            return True
        instant = (getattr(row, self.by) - _EPOCH) // _MICROSECOND
        return (instant, row.pk) <= (int(match[2]), int(match[3]))

    def cursor(self, row: Model) -> str:
        """Return the cursor of the rows behind this one, in the first group."""
        if not self.by:
            return str(row.pk)
        return f"{(getattr(row, self.by) - _EPOCH) // _MICROSECOND}.{row.pk}"


class NumberPager:
    """Numbered pages of `size` rows, for lists that are not ordered by time.

    The database reads all rows before those of a page, so there are at most `most` pages.
    """

    parameter = "page"

    def __init__(self, size: int, *, most: int = 10**6 - 1) -> None:
        self.size = size
        self.most = most

    def shown(self, request: HttpRequest, rows: QuerySet[_M]) -> ShownPage[_M]:
        """Return the page for the query parameters of a request. Raises Http404."""
        text = request.GET.get(self.parameter, "1")
        if not (re.fullmatch("[0-9]{1,6}", text) and 0 < int(text) <= self.most):
            raise Http404("There is no such page.")
        number = int(text)
        first = (number - 1) * self.size
        found = list(rows[first : first + self.size + 1])
        has_more = len(found) > self.size
        kept = wanted(request)

        def address(number: int) -> str:
            return _address(request, {self.parameter: str(number), **kept})

        return ShownPage(
            found[: self.size],
            is_first=number == 1,
            newer=address(number - 1) if number > 1 else "",
            older=address(number + 1) if has_more and number < self.most else "",
            is_cut=has_more and number == self.most,
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
