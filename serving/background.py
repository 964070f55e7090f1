"""Tasks that `manage.py processfindings` runs beside its own loops, each in a thread.

Apps above that of the command register theirs when Django starts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Task = Callable[[threading.Event], None]  # returns soon after the event is set
LAST_ROUND = 20.0  # seconds to wait at the end

_tasks: list[Task] = []


def task(run: Task) -> Task:
    """Registers a task."""
    _tasks.append(run)
    return run


@contextmanager
def running(stop: threading.Event) -> Iterator[None]:
    """Runs the tasks during the block, at whose end `stop` must be set."""
    threads = [threading.Thread(target=run, args=(stop,), daemon=True) for run in _tasks]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join(LAST_ROUND)
