"""CSV that spreadsheets open safely, line by line.

This module does not use Django.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from storage import instants

# The beginning of what a spreadsheet takes for a formula, in a cell or after a separator: in many
# countries, a semicolon separates. The full-width signs count in East Asia.
_FORMULA = re.compile(r"(?:^|(?<=[;\t\r\n]))(?=[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])")


class _Line:
    """What csv.writer writes to: it returns each line."""

    def write(self, line: str) -> str:
        return line


def csv_lines(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Yield the lines of a CSV file. Datetimes become RFC 3339 in UTC; None becomes empty."""
    write = csv.writer(_Line()).writerow
    yield write(header)
    for row in rows:
        yield write([_cell(value) for value in row])


def _cell(value: Any) -> str:
    """Return the text of a cell. A formula gets an apostrophe, so that it is shown, not run."""
    if isinstance(value, datetime):
        return instants.iso(value)
    return _FORMULA.sub("'", "" if value is None else str(value))
