"""What is done after the answer, so that its time tells nothing."""

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
    """Runs the task soon, in the order of the calls, with a database connection of its own.

    Where a hundred are waiting, it is dropped and logged.
    """
    if not _room.acquire(blocking=False):
        logger.error("Dropped: %s. Too much is waiting to be done.", task.__qualname__)
        return

    def whole() -> None:
        try:
            task(*args, **kwargs)
        except Exception as error:
            logger.error("Failed: %s: %s", task.__qualname__, type(error).__name__)
        finally:
            connections.close_all()
            _room.release()

    _thread.submit(copy_context().run, whole)
