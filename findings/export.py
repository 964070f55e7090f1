"""Exports of lists: CSV and JSON Lines, streamed. Exports the list of findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import Model
from django.http import StreamingHttpResponse
from django.urls import reverse
from pydantic_core import to_json

from findings.event_schemas import Event
from findings.models import Finding
from storage import spreadsheets
from storage.paging import CursorPager, Rows

_M = TypeVar("_M", bound=Model)

LIMIT = 100_000  # rows in one export

_CONTENT_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}
_MEMBERS = list(Event.model_fields)
_SAME = Event.model_fields.keys() - {"severity", "assignee", "url"}


def as_event(finding: Finding) -> dict[str, Any]:
    """Returns a finding with the members of event_schemas.Event."""
    return {
        **{name: getattr(finding, name) for name in _SAME},
        "severity": finding.severity or None,
        "assignee": finding.assignee.username if finding.assignee else None,
        "url": settings.PORTAL_URL + reverse("console:event", args=[finding.pk]),
    }


def response(rows: Rows[Finding], *, form: str, now: datetime) -> StreamingHttpResponse:
    """Returns the export of findings in a format, "csv" or "jsonl", as a download."""
    events = (
        as_event(finding) if finding else None for finding in up_to_the_limit(rows, by="seen_at")
    )
    lines: Iterator[str] | Iterator[bytes] = (
        csv_lines(
            _MEMBERS, ([event[name] for name in _MEMBERS] if event else None for event in events)
        )
        if form == "csv"
        else _json_lines(events)
    )
    return download(lines, name="findings", form=form, now=now)


def download(
    lines: Iterator[str] | Iterator[bytes], *, name: str, form: str, now: datetime
) -> StreamingHttpResponse:
    """Returns lines as a download whose name has the time. `form` is "csv" or "jsonl"."""
    file = f"{name}-{now:%Y-%m-%dT%H-%M-%SZ}.{form}"
    return StreamingHttpResponse(
        lines,
        content_type=_CONTENT_TYPES[form],
        headers={
            "Content-Disposition": f'attachment; filename="{file}"',
            "Cache-Control": "no-store",
        },
    )


def up_to_the_limit(rows: Rows[_M], *, by: str) -> Iterator[_M | None]:
    """Yields the rows, newest first by a datetime field; after LIMIT, None in place of the others.

    Reads them in pieces: a small first one, so that the first byte comes soon.
    """
    for count, row in enumerate(_each(rows, by)):
        if count == LIMIT:
            yield None
            return
        yield row


def _each(rows: Rows[_M], by: str) -> Iterator[_M]:
    page = CursorPager(100, by=by).page(rows)
    yield from page.rows
    more = CursorPager(1000, by=by)
    while page.next:
        page = more.page(rows, after=page.next)
        yield from page.rows


def csv_lines(head: Sequence[str], rows: Iterable[Sequence[Any] | None]) -> Iterator[str]:
    """Yields the lines of a CSV file. None in place of a row says that the export ends there."""
    return spreadsheets.csv_lines(head, ([_limit()] if row is None else row for row in rows))


def _json_lines(events: Iterable[dict[str, Any] | None]) -> Iterator[bytes]:
    for event in events:
        line = {name: event[name] for name in _MEMBERS} if event else {"limit": _limit()}
        yield to_json(line) + b"\n"


def _limit() -> str:
    return (
        f"The export ends here, after {LIMIT:,} rows. More match: narrow the filter, for example"
        " by time."
    )
