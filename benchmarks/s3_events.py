"""Benchmarks of the detectors: how fast they count, what they find, and what they cry about.

The thresholds were chosen with this traffic, so the number of false findings is that of such
traffic only. Another seed changes the noise. To try the traffic of others, replace `ordinary` and
`ATTACKS`.
"""

from __future__ import annotations

import gzip
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from django.contrib.auth.models import User
from django.db import transaction

from detectors import folding, intake, log_files, records
from detectors.bounds import SLOT
from detectors.models import Bucket, Episode
from detectors.records import Counted, Facts, Tally
from detectors.tests.traffic import ACCOUNT, packed, reader, record
from detectors.tests.traffic import user as user_identity

RECORDS = 50_000
DAYS = 30
HOUR, DAY = 3600, 86400
START = int(datetime(2026, 10, 5, tzinfo=UTC).timestamp())  # a Monday

Amounts = dict[tuple[str, str], int]  # of a slot, by actor and operation


def counting(operator: User, folder: Path) -> str:
    """Compares counting a gzipped log file with json.loads, and with only reading its records."""
    return "\n".join(
        _counting(ours, named)
        for ours, named in ((1, "all of registered buckets"), (10, "one in ten of them"))
    )


def _counting(one_in: int, named: str) -> str:
    at = datetime.now(UTC)
    content = packed(
        record(
            random.choice(["GetObject", "PutObject", "HeadObject"]),  # noqa: S311
            at=at - timedelta(seconds=number % 300),
            bucket="invoices" if number % one_in == 0 else "others",
            by=user_identity(f"user{number % 40}"),
            size=number,
        )
        for number in range(RECORDS)
    )

    def by_json() -> None:
        json.loads(gzip.decompress(content))

    def only_read() -> None:
        for _ in log_files.read(reader(content)):
            pass

    def ours() -> None:
        records.count_file(reader(content), ["invoices"], now=int(at.timestamp()))

    ours_s, json_s, read_s = _seconds(ours, by_json, only_read)
    return (
        f"S3 events, {named}: {RECORDS / ours_s:,.0f} a second and core from a gzipped log file;"
        f" {json_s / ours_s:.1f} times as fast as json.loads (goal 5),"
        f" {ours_s / read_s:.1f} times the time of only reading it (goal 2)"
    )


def _seconds(*sides: Callable[[], None]) -> list[float]:
    """Returns the time of the processor that each side takes, the best of three rounds."""
    best = [float("inf")] * len(sides)
    for _ in range(3):
        for number, work in enumerate(sides):
            began = time.process_time()
            work()
            best[number] = min(best[number], time.process_time() - began)
    return best


class Attack(NamedTuple):
    """An attack on the last day."""

    name: str
    bucket: str
    finding: str  # the end of the finding type
    who: Facts
    slots: Callable[[], Iterator[tuple[int, dict[str, int]]]]  # seconds since its start


def facts(bucket: str, who: str, source: str = "10.0.0.0/24") -> Facts:
    return Facts(
        bucket,
        f"arn:aws:iam::{ACCOUNT}:role/{who}",
        source,
        "AssumedRole",
        f"AROA{who.upper()}:i-0123456789abcdef0",
        who,
        ACCOUNT,
        f"ASIA{who.upper()}",
        "10.0.0.7",
        "aws-sdk",
        "eu-central-1",
        ACCOUNT,
    )


def _ordinary(bucket: str, who: str) -> Facts:
    """People come from the internet, and programs from the VPC."""
    return facts(bucket, who, "81.2.69.0/24" if who.startswith("analyst") else "10.0.0.0/24")


def _steady(seconds: int, **each: int) -> Callable[[], Iterator[tuple[int, dict[str, int]]]]:
    return lambda: ((at, dict(each)) for at in range(0, seconds, SLOT))


ATTACKS = (
    Attack(
        "batch deletion, as recorded",
        "assets",
        "Delete",
        facts("assets", "stranger", "203.0.113.0/24"),
        _steady(10, read=51, list=54, delete=51, delete_batch=1),
    ),
    Attack(
        "Codefinger: SSE-C over every object",
        "lake",
        "Write",
        facts("lake", "etl", "203.0.113.0/24"),
        _steady(600, read=50, write_sse_c=50),
    ),
    Attack(
        "deletion of the backups by their own role",
        "backups",
        "Delete",
        facts("backups", "backup"),
        _steady(600, delete=60),
    ),
    Attack(
        "exfiltration over six hours",
        "lake",
        "Exfiltration",
        facts("lake", "contractor", "198.51.100.0/24"),
        _steady(6 * HOUR, read=5),
    ),
    Attack(
        "the session of an instance from elsewhere",
        "assets",
        "UnauthorizedUse",
        facts("assets", "web", "192.0.2.0/24"),
        _steady(60, read=2),
    ),
)


def ordinary(bucket: str, at: int, chance: random.Random) -> Amounts:
    """Returns what happens to a bucket in a slot of an ordinary day."""
    day, second = divmod(at - START, DAY)
    hour, is_sunday = second // HOUR, day % 7 == 6
    amounts: Amounts = {}
    if bucket == "assets":  # visitors by the hour of the day; a release on some days
        share = 0.2 + 0.8 * (1 - abs(hour - 14) / 14)
        amounts["web", "read"] = int(chance.gauss(30 * share, 6 * share))
        amounts["web", "list"] = chance.random() < 0.1
        if day % 3 == 1 and 36_000 <= second < 36_120:
            amounts |= {("release", "write"): 40, ("release", "delete"): 12}
    elif bucket == "lake":  # nightly jobs, a compaction on Sundays, and people in between
        if 7200 <= second < 9600:
            times = 4 if is_sunday else 1
            for operation, usual in (("read", 200), ("write", 80), ("list", 10), ("delete", 20)):
                amounts["etl", operation] = int(chance.gauss(usual, usual / 8)) * times
        if 8 <= hour < 18 and chance.random() < 0.05:
            amounts[f"analyst{chance.randrange(5)}", "read"] = chance.randrange(8)
    elif 10_800 <= second < 14_400:  # backups: each night, and full ones on Sundays
        times = 5 if is_sunday else 1
        amounts["backup", "write"] = int(chance.gauss(15, 3)) * times
        amounts["backup", "list"] = chance.randrange(6)
    return {key: int(amount) for key, amount in amounts.items() if amount > 0}


def detection(operator: User, folder: Path) -> str:
    """Returns a table: what was found of each attack and when, and what else was raised."""
    chance = random.Random(7)  # noqa: S311
    names = ("assets", "lake", "backups")
    for name in names:
        Bucket.objects.create(name=name, registered_at=datetime.fromtimestamp(START, UTC))
    for hour in range(DAYS * 24):
        began = START + hour * HOUR
        for name in names:
            _take_hour(name, began, chance)
        if hour % 24 == 23:
            folding.fold(began + HOUR)
    false = Counter(Episode.objects.values_list("bucket__name", flat=True))
    kinds = Counter(
        f"{bucket} {finding_type.rpartition('/')[2]} by {principal.rpartition('/')[2]}"
        for bucket, finding_type, principal in Episode.objects.values_list(
            "bucket__name", "finding_type", "principal"
        )
    )
    lines = [
        f"detectors, {DAYS} simulated days of 3 buckets:",
        *(_attacked(attack, START + (DAYS + n) * DAY + 50_000) for n, attack in enumerate(ATTACKS)),
        f"  false findings in {DAYS} days: {dict(false)} {dict(kinds)}",
    ]
    return "\n".join(lines)


def _take_hour(name: str, began: int, chance: random.Random) -> None:
    tallies = []
    for at in range(began, began + HOUR, SLOT):
        for (who, operation), amount in ordinary(name, at, chance).items():
            fact = _ordinary(name, who)
            tallies.append(
                Tally(name, fact.principal, fact.source, operation, at, amount, amount * 10_000)
            )
    _take(tallies, {one.principal.rpartition("/")[2] for one in tallies}, name, began + HOUR)


def _take(tallies: list[Tally], whos: set[str], name: str, at: int) -> None:
    if tallies:
        said = [_ordinary(name, who)._replace(seen_at=tallies[-1].at) for who in sorted(whos)]
        _count(Counted(tallies, said, {}, [], {}), name, at)


def _count(counted: Counted, name: str, at: int) -> None:
    buckets = {name: Bucket.objects.get(name=name)}
    with transaction.atomic():
        intake.add(counted, buckets, datetime.fromtimestamp(at, UTC), single=False)


def _attacked(attack: Attack, began: int) -> str:
    before = set(Episode.objects.values_list("pk", flat=True))
    operations: dict[int, int] = defaultdict(int)
    hundredth = None
    for second, amounts in attack.slots():
        at = began + second
        operations[at] += sum(amounts.values())
        if hundredth is None and sum(operations.values()) >= 100:
            hundredth = at
        who = attack.who
        tallies = [
            Tally(attack.bucket, who.principal, who.source, operation, at, count, count * 10_000)
            for operation, count in amounts.items()
        ]
        said = [who._replace(seen_at=at)]
        _count(Counted(tallies, said, {}, [], {}), attack.bucket, at)
        raised = Episode.objects.exclude(pk__in=before)
        if raised.filter(finding_type__endswith=attack.finding).exists():
            late = 0 if hundredth is None else at - hundredth
            return (
                f"  {attack.name}: found after {second + SLOT} s and"
                f" {sum(operations.values()):,} operations, {late} s after the first 100"
            )
    return f"  {attack.name}: NOT FOUND"
