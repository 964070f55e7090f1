"""Concurrent requests on the real database."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from django.db import connection


def at_once(*requests: Callable[[], Any]) -> list[Any]:
    """Runs requests concurrently, each in its own thread and connection. Returns the responses."""
    start = Barrier(len(requests))

    def send(request: Callable[[], Any]) -> Any:
        try:
            start.wait()
            return request()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(send, requests))
