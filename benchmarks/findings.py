"""Benchmarks of ingesting findings, listing them, and resolving the policy."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from actions import ingest
from actions.models import Reaction
from benchmarks.filling import OLD_ACCOUNT, OLD_TYPE, fill_up_to
from benchmarks.measure import Comparison, compare, line, ratio
from benchmarks.people import browser
from findings import events, policy
from findings.catalogue import FINDING_TYPES, Severity
from findings.guardduty.files import read_findings
from findings.guardduty.parser import Kind
from findings.models import Entity, EntitySum, Finding, Mention, Target, ThreatPolicy

SAMPLE = (
    Path(__file__).parents[1] / "findings/data/samples/UnauthorizedAccess-EC2-SSHBruteForce.json"
)
BATCH = 500  # findings in one transaction, as in manage.py importfindings
ROUNDS = 8
MANY = 1_000_000


def intake_of_findings(operator: User, folder: Path) -> str:
    """Compares ingest, from JSON lines to rows, with the bare driver inserting the same rows."""
    ThreatPolicy.objects.all().delete()
    ThreatPolicy.objects.create(finding_type="UnauthorizedAccess:EC2/SSHBruteForce", action="BLOCK")
    files = [_lines(number * BATCH) for number in range(ROUNDS + 2)]

    def ours() -> None:
        stream = cast(io.BufferedReader, io.BufferedReader(io.BytesIO(files.pop())))
        ingest.ingest((found.finding for found in read_findings(stream)), at=timezone.now())

    ours()
    inserts = [list(_inserts(number)) for number in range(1, ROUNDS + 2)]

    def theirs() -> None:
        bare = _bare()
        bare.execute("BEGIN")
        for sql, rows in inserts.pop():
            bare.executemany(sql, rows)
        bare.execute("COMMIT")

    theirs()
    found = compare(ours, theirs, rounds=ROUNDS)
    assert Finding.objects.count() == BATCH * (2 * ROUNDS + 2)  # noqa: S101
    rate = BATCH / found.ours * 1000
    text = ratio(f"ingest of {BATCH} findings", found, goal=3)
    return f"{text}; {rate:,.0f} per second"


def _lines(first: int) -> bytes:
    """Returns findings with distinct IDs and addresses, as JSON lines."""
    sample = json.loads(SAMPLE.read_text())["detail"]
    written = []
    for number in range(first, first + BATCH):
        sample["Id"] = f"{number:032x}"
        remote = sample["Service"]["Action"]["NetworkConnectionAction"]["RemoteIpDetails"]
        remote["IpAddressV4"] = f"81.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        written.append(json.dumps(sample))
    return "\n".join(written).encode()


def _bare() -> Any:
    connection.ensure_connection()
    return connection.connection.cursor()


def _inserts(number: int) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """Yields INSERT statements with the rows of the first batch under new keys and IDs."""
    cursor = _bare()
    mark = "%s" if connection.vendor == "postgresql" else "?"
    further = number * 10_000_000
    for model in (Finding, Entity, EntitySum, Mention, Reaction):
        table = model._meta.db_table
        cursor.execute(f"SELECT * FROM {table} ORDER BY id LIMIT {3 * BATCH}")  # noqa: S608
        names = [column[0] for column in cursor.description]
        rows = []
        for row in cursor.fetchall():
            values = dict(zip(names, row, strict=True))
            for name in ("id", "finding_id", "entity_id", "name"):
                if isinstance(values.get(name), int):
                    values[name] += further
                elif name in values:
                    values[name] = f"{further}{values[name]}"
            rows.append(tuple(values.values()))
        columns = ", ".join(f'"{name}"' for name in names)
        marks = ", ".join([mark] * len(names))
        yield f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows  # noqa: S608


def look_up(operator: User, folder: Path) -> str:
    """Compares policy.resolve, with all types and severities set, with four dict look-ups."""
    settings = {Target("", name, level): "BLOCK" for name in FINDING_TYPES for level in Severity}
    name = list(FINDING_TYPES)[-1]
    keys = [("", name, "HIGH"), ("", name, ""), ("EC2", "", "HIGH"), ("EC2", "", "")]

    def ours() -> None:
        for _ in range(1000):
            policy.resolve(settings, finding_type=name, severity="HIGH")

    def theirs() -> None:
        for _ in range(1000):
            for key in keys:
                settings.get(key)  # type: ignore[call-overload]

    found = compare(ours, theirs, rounds=50)  # ms per 1,000 calls = µs per call
    return line("microseconds of policy.resolve", found.ours, 10, f"a dict: {found.theirs:.2f}")


LISTS = {
    "search of a type": "/events?q=Recon:EC2/Portscan",
    "search of words": "/events?q=port scan",
    "search in vain": "/events?q=no such words",
    "search of a letter": "/events?q=e",
    "search of old titles": "/events?q=abused site",
    "open ones of a severity": "/events?status=open&severity=MEDIUM",
    "closed ones": "/events?status=closed",
    "an account": "/events?account=123456789012&period=30d",
    "highest severity first": "/events?sort=severity",
    "oldest first": "/events?sort=oldest",
}


SUMMED = {
    "dashboard": "/",
    "dashboard of 7 days": "/?period=7d",
    "dashboard of 24 hours": "/?period=24h",
    "entities": "/entities",
    "entities, page 50": "/entities?page=50",
    "entities of a kind": "/entities?kind=instance",
    "entities by findings": "/entities?sort=findings",
    "entities of a kind by findings": "/entities?sort=findings&kind=instance",
    "entities by last seen": "/entities?sort=seen",
    "entities of a kind by last seen": "/entities?sort=seen&kind=instance",
    "entities by name": "/entities?sort=name",
    "entities of 24 hours": "/entities?period=24h",
    "entities of 30 days by name": "/entities?period=30d&sort=name",
    "entities with a part of a name": "/entities?name=led",
    "entities with a beginning": "/entities?name=filled 2&sort=findings",
    "entities with no such name": "/entities?name=no such name&sort=name",
    "accounts": "/accounts",
    "actions": "/actions",
    "actions of a kind": "/actions?action=BLOCK",
    "actions that failed": "/actions?state=failed",
    "search of actions in vain": "/actions?q=no such words",
    "actions of an account": "/actions?account=123456789012",
    "actions of a type with few": f"/actions?type={OLD_TYPE}",
    "actions of an account with few": f"/actions?account={OLD_ACCOUNT}",
    "what is blocked": "/actions?now=blocked",
}


def pages_of_findings(operator: User, folder: Path, *, many: int = MANY, rounds: int = 40) -> str:
    """Compares pages with `many` and with 10,000 findings, beside those of the benchmark before.

    These are the first and a middle page of the events, searches and filters, the first line of an
    export, and the pages that show sums.
    """
    client = browser(operator)
    took: dict[str, list[Comparison]] = {}

    def measure(name: str, call: Callable[[], object]) -> None:
        # Beside a page of constant cost, because the load of the machine changes meanwhile.
        found = compare(call, lambda: client.get("/license"), rounds=rounds)
        took.setdefault(name, []).append(found)

    def first_line() -> None:
        export = cast("Any", client.get("/events.csv"))
        stream = iter(export.streaming_content)
        next(stream), next(stream)  # the names of the columns, and a finding
        export.close()

    for count in (Finding.objects.count() + 10_000, many):
        fill_up_to(count)
        newest_first = Finding.objects.order_by("-seen_at", "-pk")
        middle = newest_first[count // 2 : count // 2 + events.PAGER.size + 1]
        page = events.PAGER.page(Finding.objects.filter(pk__in=[row.pk for row in middle]))
        entity = Entity.objects.get(kind=Kind.INSTANCE, name="i-filled-0")  # in half of them
        address = Entity.objects.get(kind=Kind.ADDRESS, name=f"filled {count // 4 - 1}")  # in four
        paths = {
            "first page": "/events",
            "middle page": f"/events?after={page.next}",
            **LISTS,
            **SUMMED,
            # Addresses are named as findings are; no address has the number of the newest ones.
            "search of an address": f"/events?q={address.name}",
            "search of an ID": f"/events?q=filled {count - 1}",
            "search of an action": f"/actions?q=filled {count // 20 * 5 - 5}",
            "an entity": f"/entities/{entity.pk}",
            "an entity with few findings": f"/entities/{address.pk}",
        }
        for name, path in paths.items():
            assert client.get(path).status_code == 200, path  # noqa: S101
            measure(name, partial(client.get, path))
        measure("first line of an export", first_line)
    return "\n".join(
        ratio(
            f"{name}, {many:,} : 10,000",
            Comparison(most.ours, few.ours * most.theirs / few.theirs),
            goal=1.5,
        )
        for name, (few, most) in took.items()
    )
