"""Collects what is logged, as LOG_FORMAT=json writes it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

from serving.logs import JSONFormatter


class Log:
    """The lines that were logged."""

    def __init__(self, stream: StringIO) -> None:
        self.stream = stream

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["logger"] == "threatreaction.access"]


@contextmanager
def json_log() -> Iterator[Log]:
    """Collects the lines from now on, with those of requests."""
    handler = logging.StreamHandler(StringIO())
    handler.setFormatter(JSONFormatter())
    root, access = logging.getLogger(), logging.getLogger("threatreaction.access")
    before = access.level
    access.setLevel(logging.INFO)
    root.addHandler(handler)
    try:
        yield Log(handler.stream)
    finally:
        root.removeHandler(handler)
        access.setLevel(before)
