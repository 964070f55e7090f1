"""Benchmark of request latency while 400 slow clients are connected."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import quantiles

from django.contrib.auth.models import User

from benchmarks.measure import line
from tests.databases import Databases
from tests.server import Server, running
from tests.test_slow_clients import slow_clients

CLIENTS = 400
REQUESTS = 200
GOAL = 1.0  # second


def slow_clients_beside(operator: User, folder: Path) -> str:
    """Measures the 99th percentile in seconds, with and without slow clients."""
    with running(Databases(folder)) as server:
        alone = _percentile(server)
        with slow_clients(server, CLIENTS):
            beside = _percentile(server)
    note = f"p99 {beside * 1000:.0f} ms, alone {alone * 1000:.0f} ms"
    return line(f"seconds with {CLIENTS} slow clients, p99", beside, GOAL, note)


def _percentile(server: Server) -> float:
    times = []
    for _ in range(REQUESTS):
        before = time.perf_counter()
        server.request("GET", "/readyz").raise_for_status()
        times.append(time.perf_counter() - before)
    return quantiles(times, n=100)[98]
