"""Exports of the list of findings: CSV and JSON Lines, streamed."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import StreamingHttpResponse
from django.urls import reverse
from pydantic_core import to_json

from findings.event_schemas import Event
from findings.models import Finding
from storage import instants
from storage.paging import CursorPager, Rows

LIMIT = 100_000  # findings in one export

_FIRST = CursorPager(100, by="seen_at")  # so that the first byte comes soon
_NEXT = CursorPager(1000, by="seen_at")

_CONTENT_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}
# The beginning of what a spreadsheet takes for a formula, in a cell or after a separator: in many
# countries, a semicolon separates. The full-width signs count in East Asia.
_FORMULA = re.compile(r"(?:^|(?<=[;\t\r\n]))(?=[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])")
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
    """Returns the export in a format, "csv" or "jsonl", as a download."""
    lines: Iterator[str] | Iterator[bytes] = _csv(rows) if form == "csv" else _json_lines(rows)
    name = f"findings-{now:%Y-%m-%dT%H-%M-%SZ}.{form}"
    return StreamingHttpResponse(
        lines,
        content_type=_CONTENT_TYPES[form],
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )


class _Line:
    """What csv.writer writes to: it returns each line."""

    def write(self, line: str) -> str:
        return line


def _csv(rows: Rows[Finding]) -> Iterator[str]:
    write = csv.writer(_Line()).writerow
    yield write(_MEMBERS)
    for event in _events(rows):
        yield write([_cell(event[name]) for name in _MEMBERS] if event else [_limit()])


def _json_lines(rows: Rows[Finding]) -> Iterator[bytes]:
    for event in _events(rows):
        line = {name: event[name] for name in _MEMBERS} if event else {"limit": _limit()}
        yield to_json(line) + b"\n"


def _events(rows: Rows[Finding]) -> Iterator[dict[str, Any] | None]:
    """Yields the findings; after LIMIT, None in place of the others."""
    for count, finding in enumerate(_findings(rows)):
        if count == LIMIT:
            yield None
            return
        yield as_event(finding)


def _findings(rows: Rows[Finding]) -> Iterator[Finding]:
    page = _FIRST.page(rows)
    yield from page.rows
    while page.next:
        page = _NEXT.page(rows, after=page.next)
        yield from page.rows


def _limit() -> str:
    return (
        f"The export ends here, after {LIMIT:,} findings. More match: narrow the filter, for"
        " example by time."
    )


def _cell(value: Any) -> str:
    """Returns the text of a cell. A formula gets an apostrophe, so that it is shown, not run."""
    if isinstance(value, datetime):
        return instants.iso(value)
    return _FORMULA.sub("'", "" if value is None else str(value))
