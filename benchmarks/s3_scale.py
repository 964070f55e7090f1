"""Benchmarks of the scale of the detectors: several workers on one queue, and rows a day."""

from __future__ import annotations

import gzip
import json
import logging
import random
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from detectors.bounds import SLOT
from detectors.folding import KEPT
from detectors.models import Actor, Bucket, Mark, Sum
from detectors.tests.traffic import file_key, record, role
from tests import aws
from tests.aws import Cloud, cloud
from tests.databases import base_environment
from tests.server import ROOT

FILES = 160
WARM_UP = 40  # files before: a batch for each worker, whose first requests are slow
RECORDS = 10_000  # of a file
SCALED = [f"scaled{n}" for n in range(8)]  # buckets, of which a file has one
MINUTE = "%Y-%m-%dT%H:%M:"
DAY = 86400
A_DAY = 10**9  # events
# Who uses what: some actors far more than others, each for some operations.
BUCKETS, ACTORS, OPERATIONS = 50, 40, 4
DRAWN = 200_000  # events of an interval at most; by then almost each sum has occurred


def workers(operator: User, folder: Path) -> str:
    """Compares four processes of `manage.py processevents` with one, on the same files."""
    if connection.vendor != "postgresql":
        return "S3 events, four workers and one: measured on PostgreSQL only"
    for name in SCALED:
        Bucket.objects.create(name=name, registered_at=timezone.now())
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    now = datetime.now(UTC)
    with cloud() as account:
        account.credentials = {
            "aws_access_key_id": "testing",
            "aws_secret_access_key": "testing",
        }
        s3 = account.client("s3")
        where = {"LocationConstraint": aws.REGION}
        s3.create_bucket(Bucket="trail", CreateBucketConfiguration=where)
        texts = [_text(bucket, now) for bucket in SCALED]
        for number in range(WARM_UP + FILES):
            # Not all in one minute, which would be an attack.
            at = now - timedelta(minutes=number // len(SCALED))
            content = gzip.compress(
                texts[number % len(SCALED)].replace(f"{now:{MINUTE}}", f"{at:{MINUTE}}").encode(), 1
            )
            s3.put_object(Bucket="trail", Key=file_key(number), Body=content)
        one = _seconds(account, folder, processes=1)
        four = _seconds(account, folder, processes=4)
    rows = Sum.objects.filter(actor__bucket__name__in=SCALED).count()
    Bucket.objects.filter(name__in=SCALED).delete()
    events = FILES * RECORDS
    return (
        f"S3 events, {FILES} log files from S3 into PostgreSQL: one worker {events / one:,.0f} a"
        f" second, four {events / four:,.0f}, {one / four:.1f} times as many (goal 1.8);"
        f" {events + WARM_UP * RECORDS:,} events became {rows:,} rows"
    )


def _text(bucket: str, now: datetime) -> str:
    """Returns a log file of one minute."""
    records = [
        record(
            ("GetObject", "PutObject", "HeadObject")[n % 3],
            at=now.replace(second=n % 60),
            bucket=bucket,
            by=role(f"app{n % 7}"),
        )
        for n in range(RECORDS)
    ]
    return json.dumps({"Records": records}, separators=(",", ":"))


def _seconds(account: Cloud, folder: Path, *, processes: int) -> float:
    """Returns the time from the first message until all files are counted, in warm workers."""
    Mark.objects.all().delete()
    Actor.objects.filter(bucket__name__in=SCALED).delete()
    # moto still gives messages to the polls of killed workers, so each run has its own queue.
    made = account.client("sqs").create_queue(QueueName=f"events-{processes}")["QueueUrl"]
    queue = f"{account.moto_url}/{made.partition('://')[2].partition('/')[2]}"
    settings = connection.settings_dict
    environment = base_environment(folder) | account.environment
    environment |= {
        "AWS_ENDPOINT_URL": account.moto_url,  # without the proxy, whose work is not the workers'
        "DATABASE_URL": f"postgres://{settings['USER']}@/{settings['HOST']}/{settings['NAME']}",
        "EVENTS_QUEUE_URL": queue,
        "PORTAL_URL": "http://localhost",
    }
    with ExitStack() as stack:
        log = stack.enter_context((folder / "workers.log").open("wb"))
        running = []
        for _ in range(processes):
            process = subprocess.Popen(
                [sys.executable, "manage.py", "processevents"],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            running.append(process)
        for process in running:
            assert process.stdout  # noqa: S101
            stack.callback(process.stdout.close)
            assert b"Queue" in process.stdout.readline()  # noqa: S101
        _count(account, queue, 0, WARM_UP)
        return _count(account, queue, WARM_UP, WARM_UP + FILES)


def _count(account: Cloud, queue: str, first: int, last: int) -> float:
    """Lets the workers count some of the files, and returns how long they take."""
    began = time.perf_counter()
    _notify(account, queue, first, last)
    while Mark.objects.count() < last:
        assert time.perf_counter() - began < 200, "the workers are too slow"  # noqa: S101
        time.sleep(0.1)
    return time.perf_counter() - began


def _notify(account: Cloud, queue: str, first: int, last: int) -> None:
    sqs = account.client("sqs")
    entries: list[dict[str, Any]] = []
    for number in range(first, last):
        detail = {"bucket": {"name": "trail"}, "object": {"key": file_key(number)}}
        body = json.dumps({"detail-type": "Object Created", "detail": detail})
        entries.append({"Id": str(number), "MessageBody": body})
    for batch in range(0, len(entries), 10):
        sqs.send_message_batch(QueueUrl=queue, Entries=entries[batch : batch + 10])


def rows_a_day(operator: User, folder: Path) -> str:
    """Tells what the database sees of a billion events a day, and of ten times fewer."""
    chance = random.Random(7)  # noqa: S311
    names = [(n % BUCKETS, n // BUCKETS) for n in range(BUCKETS * ACTORS)]
    weights = [1 / (1 + n) for n in range(len(names))]
    lines = [f"S3 events, {BUCKETS} buckets with {ACTORS} actors each, by arithmetic:"]
    for events in (A_DAY // 10, A_DAY):
        # The distinct sums of an interval, at the rate of the whole day.
        sums = {
            grain: len(
                {
                    (actor, chance.choices(range(OPERATIONS), (60, 20, 15, 5))[0])
                    for actor in chance.choices(names, weights, k=min(events * grain // DAY, DRAWN))
                }
            )
            for grain in KEPT
        }
        stored = sum(sums[grain] * seconds // grain for grain, seconds in KEPT.items())
        lines.append(
            f"  {events:,} events a day, {events / DAY:,.0f} a second: {sums[SLOT]:,} distinct sums"
            f" in {SLOT} s, {sums[SLOT] * DAY // SLOT:,} rows a day, {stored:,} kept"
        )
    return "\n".join(lines)
