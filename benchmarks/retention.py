"""Archives old findings while 8 clients read and write.

`python -m tests.postgresql python -m benchmarks.retention [COUNT]`, with 100,000 findings by
default, spread over 420 days, of which all go that are older than RETENTION_DAYS: 20 days. Prints
how long deleting transactions and the requests of clients took, and fails if one failed.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    import django

    import tests.environment  # noqa: F401  (must precede Django's settings)

    os.environ.setdefault("TEST_STATIC_ROOT", tempfile.mkdtemp())
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "threatreaction.settings")
    django.setup()

from django.contrib.auth.models import User
from django.db import connection, connections
from django.utils import timezone

from accounts.api_auth import Caller
from actions import ingest
from actions.models import ArchiveFile
from actions.retention import archiving
from actions.retention.places import Folder
from benchmarks import portal
from benchmarks.filling import FINDINGS, mention
from benchmarks.people import browser
from findings import retention, sums, triage
from findings.guardduty.parser import Kind
from findings.models import Entity, Finding, Status, TriageEntry
from findings.tests.findings import finding
from storage.instants import iso

CLIENTS = 8
THINK = 0.2  # seconds between the requests of a client
MONTH = 30
MONTHS = 14
GOAL = 1.0  # seconds that a transaction may hold its locks
_RAW = 2000  # bytes of a raw finding


class _Client(threading.Thread):
    """Reads pages, ingests new and updated findings and triages, until it is told to stop."""

    def __init__(self, number: int, user: User, stop: threading.Event) -> None:
        super().__init__()
        self.number, self.user, self.stop = number, user, stop
        self.took: list[float] = []
        self.failed: list[str] = []

    def run(self) -> None:
        client = browser(self.user)
        entity = Entity.objects.get(name="i-3")
        reads = ["/", "/events", f"/entities/{entity.pk}", "/entities", "/accounts"]
        works: list[Callable[[int], None]] = [self._ingest, self._triage]
        works += [lambda turn, path=path: _read(client, path) for path in reads]  # type: ignore[misc]
        turn = 0
        while not self.stop.is_set():
            before = time.perf_counter()
            try:
                works[(turn + self.number) % len(works)](turn)
            except Exception as error:
                self.failed.append(f"{type(error).__name__}: {error}")
            self.took.append(time.perf_counter() - before)
            turn += 1
            self.stop.wait(THINK)
        connections.close_all()

    def _ingest(self, turn: int) -> None:
        """Ingests findings that name what the old ones name, so that both lock the same sums."""
        now = timezone.now()
        seen = {"eventFirstSeen": iso(now), "eventLastSeen": iso(now)}
        numbers = range(20)
        ingest.ingest(
            [
                finding(
                    10**9 + self.number * 10**6 + turn * 20 + number,
                    service=seen,
                    resource={"instanceDetails": {"instanceId": f"i-{number % 50}"}},
                )
                for number in numbers
            ],
            at=now,
        )

    def _triage(self, turn: int) -> None:
        newest = list(Finding.objects.order_by("-seen_at", "-pk").values_list("pk", flat=True)[:5])
        triage.triage(
            newest,
            triage.Change(status=Status.IN_PROGRESS if turn % 2 else Status.NEW, note="x"),
            by=Caller(name="operator", user=self.user),
            source=TriageEntry.Source.PAGE,
            at=timezone.now(),
        )


def _read(client: Any, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code)  # noqa: S101


def measure(user: User, count: int) -> bool:
    """Makes findings, archives the old ones, and prints what it took. Returns whether the goals are
    met."""
    began = time.perf_counter()
    _fill(count, timezone.now())
    print(f"  {count:,} findings of {MONTHS} months made in {time.perf_counter() - began:.0f} s")
    now, stop = timezone.now(), threading.Event()
    old = Finding.objects.filter(seen_at__lt=retention.begin(now)).count()
    clients = [_Client(number, user, stop) for number in range(CLIENTS)]
    connections.close_all()
    ours, theirs = multiprocessing.Pipe()
    # A process, as the worker is one, and before the threads of the clients.
    worker = multiprocessing.get_context("fork").Process(target=_archive, args=(theirs, now))
    worker.start()
    for client in clients:
        client.start()
    time.sleep(2)
    ours.send("begin")
    try:
        done = ours.recv()
    finally:
        stop.set()
        for client in clients:
            client.join()
    worker.join()
    result, held, shared, took, size = done
    failed = [told for client in clients for told in client.failed]
    answers = sorted(one for client in clients for one in client.took)
    wrong = {name: number for name, number in sums.recount(repair=False).items() if number}
    print(f"  archived {result.archived:,} of {old:,} old findings in {result.files:,} files,")
    print(f"  {size / 1e6:.1f} MB, in {took:.0f} s: {result.archived / took:,.0f} a second")
    print(
        f"  transactions that delete: median {held[len(held) // 2]:.3f} s, longest {held[-1]:.3f} s"
        f" (goal {GOAL})"
    )
    print(
        f"  of that with sums that others need: median {shared[len(shared) // 2]:.3f} s,"
        f" longest {shared[-1]:.3f} s"
    )
    print(
        f"  {CLIENTS} clients, {len(answers):,} requests:"
        f" median {answers[len(answers) // 2]:.3f} s,"
        f" 99 % {answers[len(answers) * 99 // 100]:.3f} s, longest {answers[-1]:.3f} s"
    )
    print(f"  failed: {len(failed)} {failed[:3]}; wrong sums: {wrong or 0}")
    unfinished = ArchiveFile.objects.filter(finished_at=None).count()
    return (
        result.archived == old and held[-1] <= GOAL and not failed and not wrong and not unfinished
    )


def _archive(told: Connection, now: datetime) -> None:
    """Archives, in a process of its own, and tells what that took."""
    whole, shared = _timed(archiving, "_delete"), _timed(sums, "forget")
    told.recv()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        result = archiving.archive(Folder(Path(folder)), now=now, stop=threading.Event())
        took = time.perf_counter() - began
        size = sum(one.stat().st_size for one in Path(folder).rglob("*.parquet"))
    told.send((result, sorted(whole), sorted(shared), took, size))
    connections.close_all()


def _timed(module: Any, name: str) -> list[float]:
    """Returns a list to which each call of the function adds its seconds."""
    took: list[float] = []
    original = getattr(module, name)

    def timed(*args: Any) -> None:
        before = time.perf_counter()
        original(*args)
        took.append(time.perf_counter() - before)

    setattr(module, name, timed)
    return took


def _fill(count: int, now: datetime) -> None:
    """Adds findings, spread over the months, each with an address and one of 50 instances."""
    days = MONTHS * MONTH
    with connection.cursor() as cursor:
        cursor.execute(
            f"{FINDINGS} SELECT lpad((value %% 3)::text, 12, '1'), 'eu-central-1',"  # noqa: S608
            " 'filled ' || value,"
            " 'Recon:EC2/Portscan', 'Reconnaissance', 'MEDIUM', 5, 'A scan', 'Ports.', 1, at, at,"
            f" at, 'REPORT', '', '', '{{\"id\":\"' || value || repeat('x', {_RAW}) || '\"}}'"
            " FROM (SELECT value,"
            f" %s - make_interval(secs => value::float8 * {days * 86400} / {count}) AS at"
            f" FROM generate_series(1, {count}) AS n(value)) AS filled",
            [now],
        )
        mention(Kind.ADDRESS, "'10.' || (number / 3 % 65536)", "findings_finding", is_actor=True)
        mention(Kind.INSTANCE, "'i-' || (number % 50)", "findings_finding", is_actor=False)
        cursor.execute("ANALYZE")
    sums.recount()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def main() -> int:
    """Runs the benchmark in a database of its own. Returns the exit status."""
    if connection.vendor != "postgresql":
        print("Retention: on PostgreSQL only.")
        return 0
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    print("Retention on PostgreSQL")
    with portal.database() as (operator, _):
        return 0 if measure(operator, count) else 1


if __name__ == "__main__":
    sys.exit(main())
