"""The loop that gathers and delivers. It runs in each process of `manage.py processfindings`."""

from __future__ import annotations

import logging
import threading
import time

from django.db import DatabaseError, InterfaceError, close_old_connections, connections
from django.utils import timezone

from notifications import gathering, topic, watch
from notifications.delivery import Sender
from serving import background

logger = logging.getLogger(__name__)

IDLE = 1.0  # seconds to wait if nothing is due
PAUSE = 5.0  # seconds to wait after an error of the database
WATCH_EVERY = 60.0  # seconds
FORGET_EVERY = 24 * 60 * 60.0  # seconds
AT_THE_END = 12.0  # seconds; a try takes no longer


@background.task
def run(stop: threading.Event) -> None:
    """Gathers and delivers until `stop` is set. Logs errors and tries again."""
    sender = Sender()
    is_set_up = False
    # Not at once: a worker that was stopped for long has not beaten yet.
    watch_at, forget_at = time.monotonic() + WATCH_EVERY, 0.0
    while not stop.is_set():
        try:
            close_old_connections()
            if not is_set_up:
                topic.set_up()
                is_set_up = True
            if time.monotonic() >= watch_at:
                watch.watch(timezone.now())
                watch_at = time.monotonic() + WATCH_EVERY
            if time.monotonic() >= forget_at:
                gathering.forget(timezone.now())
                forget_at = time.monotonic() + FORGET_EVERY
            gathered = gathering.gather(timezone.now())
            if not sender.round(IDLE) and not gathered:
                stop.wait(IDLE)
        except (DatabaseError, InterfaceError) as error:
            logger.error("Notifications: retrying in %s s. %s", PAUSE, type(error).__name__)
            stop.wait(PAUSE)
        except Exception:  # a bug must be logged and must not stop the worker
            logger.exception("Notifications: retrying in %s s.", PAUSE)
            stop.wait(PAUSE)
    try:
        sender.close(AT_THE_END)
    except (DatabaseError, InterfaceError) as error:
        logger.error("The last answers are not recorded. %s", type(error).__name__)
    connections.close_all()
