"""Findings that are old enough for the archive."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import duckdb
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils import timezone

from accounts.api_auth import Caller
from actions import ingest
from actions.models import Reaction, State
from actions.retention import places
from actions.retention.archiving import Result, archive
from actions.tests.attacks import attack
from findings.models import Finding
from tests.aws import REGION

OLD = datetime(2024, 3, 5, 10, tzinfo=UTC)


def stored(number: int, *, at: datetime = OLD, **members: Any) -> Finding:
    """Stores a finding that was last seen and received at this time, with the actions of then."""
    service = {"eventFirstSeen": at.isoformat(), "eventLastSeen": at.isoformat(), "count": 1}
    service |= members.pop("service", {})
    one = attack(number, service=service, **members)
    ingest.ingest([one], at=at)
    return Finding.objects.get(finding_id=one["id"])


def run(*, now: datetime | None = None) -> Result:
    return archive(
        places.configured(boto3.Session(region_name=REGION)),
        now=now or timezone.now(),
        stop=threading.Event(),
    )


def archived(folder: Path) -> list[str]:
    """Returns the IDs of the findings in the archive, read by DuckDB."""
    if not list(folder.rglob("*.parquet")):
        return []
    sql = f"SELECT finding_info.uid FROM read_parquet('{folder}/**/*.parquet') ORDER BY 1"  # noqa: S608
    return [uid for (uid,) in duckdb.execute(sql).fetchall()]


def ids() -> list[str]:
    return sorted(Finding.objects.values_list("finding_id", flat=True))


def by(user: User) -> Caller:
    return Caller(name=user.get_username(), user=user)


def settle(state: State, **fields: Any) -> None:
    """Settles the pending actions in the past, as a worker did."""
    values = {"settled_at": OLD, "due_at": None, "lifts_at": None} | fields
    QuerySet.update(Reaction.objects.filter(state=State.PENDING), state=state, **values)
