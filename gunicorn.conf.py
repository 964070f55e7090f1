"""How gunicorn serves the portal. Any number of these share nothing but the database."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from serving import logs
from storage.environment import Env

worker_class = "serving.worker.BufferingWorker"  # slow clients take no thread
workers = 2
threads = 4
timeout = 30  # seconds a worker may be silent before it is replaced
# Longer than a load balancer keeps an idle connection (ALB: 60 seconds), so that it never sends a
# request on a connection that closes. Idle connections hold no thread.
keepalive = 75  # seconds
graceful_timeout = 20  # seconds to finish what is in hand when the server stops
# No access log: addresses of password resets are secrets. threatreaction/access_log.py masks them.
accesslog = None
errorlog = "-"
if Env().str("LOG_FORMAT", default="text") == "json":
    logconfig_dict = logs.GUNICORN
control_socket_disable = True  # nobody needs to steer it at run time

# prometheus_client reads this variable: in its folder, each process counts requests for /metrics.
COUNTS = "PROMETHEUS_MULTIPROC_DIR"
DEAD_KEPT = 20  # files; bounds the folder if processes die again and again


def on_starting(server: Any) -> None:
    """Creates an empty folder, before the first process."""
    folder = tempfile.mkdtemp(prefix="threatreaction-metrics-")
    os.chown(folder, server.cfg.uid, server.cfg.gid)
    os.environ[COUNTS] = folder


def worker_exit(server: Any, worker: Any) -> None:
    """Stores what the process has counted."""
    from django.apps import apps

    if apps.ready and apps.is_installed("license"):  # the panel's worker counts nothing
        from license.refused_writes import tally

        tally.store(at_once=True)


def child_exit(server: Any, worker: Any) -> None:
    """Keeps the counts of a process that died, so that totals do not fall; the newest if many."""
    running = {str(pid) for pid in server.WORKERS}
    dead = [
        path
        for path in Path(os.environ[COUNTS]).glob("*.db")
        if path.stem.rpartition("_")[2] not in running
    ]
    dead.sort(key=lambda path: path.stat().st_mtime)
    for path in dead[:-DEAD_KEPT]:
        path.unlink()


def on_exit(server: Any) -> None:
    """Removes the folder."""
    shutil.rmtree(os.environ[COUNTS], ignore_errors=True)
