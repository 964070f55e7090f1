from __future__ import annotations

import logging
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from actions import containment, monitor, worker
from actions.metrics import DatabaseCollector
from license import clock
from serving import background
from serving.commands import session_and_queue, stop_event
from serving.metrics import WorkerCollector, more
from serving.worker_server import server_of

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """`manage.py processfindings`. Raises CommandError if the AWS configuration is invalid."""

    help = (
        "Ingests findings from the queue FINDINGS_QUEUE_URL and carries out the policy's actions"
        " until it receives SIGTERM or Ctrl-C; then it finishes the work in progress. You can run"
        " any number of these processes on any number of machines. Without FINDINGS_QUEUE_URL it"
        " only carries out actions."
    )

    def handle(self, **options: Any) -> None:
        stop = stop_event()
        session, queue = session_and_queue(settings.FINDINGS_QUEUE_URL, clock.heard)
        hearts = worker.hearts_of(queue)
        server = server_of(
            hearts.values(),
            lambda now: [
                DatabaseCollector(now),
                WorkerCollector(now, hearts.values(), queue),
                *more(now),
            ],
        )
        queue_name = settings.FINDINGS_QUEUE_URL or "none (FINDINGS_QUEUE_URL is not set)"
        # As JSON, both streams of the container are the log.
        say = logger.info if settings.LOG_FORMAT == "json" else self.stdout.write
        say(
            f"Queue: {queue_name}. Containment:"
            f" {'on' if containment.is_on() else 'dry run, nothing changes in AWS'}."
        )
        self.stdout.flush()
        with server, background.running(stop):
            about = (stop, hearts.values(), queue)
            threading.Thread(target=monitor.run, args=about, daemon=True).start()
            worker.run(queue, session, stop, hearts)
        say("Stopped.")
