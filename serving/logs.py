"""The log as JSON, one object a line: what LOG_FORMAT=json makes of each record.

A line holds no secret: of a path, the key in it is masked; of a URL, the query is cut off; of an
exception, its kind and where it was raised are told, and not its text, which may repeat what was
sent or stored.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from storage.instants import iso

# The trace of what is being worked on: of a request, or of the request or message from which an
# action comes. Each line has it.
request_id: ContextVar[str] = ContextVar("request_id", default="")

TRACE_MAX_LENGTH = 128
# As AWS writes it: Root=1-67891233-abcdef012345678912345678. The sender of a request can choose it.
_TRACE_ID = re.compile(rf"[A-Za-z0-9=;:._-]{{1,{TRACE_MAX_LENGTH}}}")

_MASKED = (
    (re.compile(r"(/password/reset/key/|/confirm-email/)[^/\s]+"), r"\1***"),
    (re.compile(r"\beyJ[\w-]{8,}(\.[\w-]*){0,4}"), "***"),  # a JWT, such as a license key
    (re.compile(r"(/[^\s?\"']*)\?[^\s\"']*"), r"\1?***"),  # a query
)


def as_trace(sent: str) -> str:
    """Returns the trace ID that another system sent, or "" if it has another format."""
    return sent if _TRACE_ID.fullmatch(sent) else ""


@contextmanager
def traced(trace: str) -> Iterator[None]:
    """Adds this trace ID to each line that the block logs in this thread."""
    before = request_id.set(trace)
    try:
        yield
    finally:
        request_id.reset(before)


def masked(text: str) -> str:
    """The text without what opens something."""
    for pattern, instead in _MASKED:
        text = pattern.sub(instead, text)
    return text


class JSONFormatter(logging.Formatter):
    """A record as a line of JSON, with what `extra` has as `fields`, a mapping."""

    def format(self, record: logging.LogRecord) -> str:
        fields: Mapping[str, Any] = getattr(record, "fields", {})
        request = getattr(record, "request", None)  # of Django's own lines
        asked = request_id.get() or getattr(request, "request_id", "")
        line = {
            "time": iso(datetime.fromtimestamp(record.created, UTC), timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": masked(record.getMessage()),
            **({"request_id": asked} if asked else {}),
            **fields,
        }
        if record.exc_info and record.exc_info[1]:
            line["exception"] = "\n".join(_told(record.exc_info[1]))
        return json.dumps(line)


def _told(error: BaseException) -> Iterator[str]:
    """The kind of an exception and where it was raised, before it those that led to it."""
    chain: list[BaseException] = []
    before: BaseException | None = error
    while before and before not in chain:
        chain.append(before)
        hidden = before.__suppress_context__
        before = before.__cause__ or (None if hidden else before.__context__)
    for one in reversed(chain):
        yield type(one).__qualname__
        for frame, number in traceback.walk_tb(one.__traceback__):
            yield f"  {frame.f_code.co_filename}:{number} in {frame.f_code.co_name}"


# The same for gunicorn's own lines, without its access log: that has the queries.
GUNICORN: dict[str, Any] = {
    "formatters": {"generic": {"()": "serving.logs.JSONFormatter"}},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["error_console"], "propagate": False},
        "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
    },
}
