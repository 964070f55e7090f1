"""Runs tasks outside the request, so that response times disclose nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import BoundedSemaphore
from typing import Any

from django.db import connections

logger = logging.getLogger(__name__)

_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="background")
_room = BoundedSemaphore(100)


def run(task: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Queues the task for a background thread, which runs tasks in order.

    If 100 tasks are waiting, the task is dropped. Drops and exceptions are logged.
    """
    if not _room.acquire(blocking=False):
        logger.error("Dropped %s: the queue is full.", task.__qualname__)
        return

    def whole() -> None:
        try:
            task(*args, **kwargs)
        except Exception as error:
            logger.error("%s failed: %s", task.__qualname__, type(error).__name__)
        finally:
            connections.close_all()
            _room.release()

    _thread.submit(copy_context().run, whole)
