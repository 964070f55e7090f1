"""Moves old findings to the archive: first a verified file, then one transaction that deletes.

A batch is findings of one account and day. `ArchiveFile` knows of its file before the file is
written, and the transaction that deletes the findings finishes it. So a process that is killed at
any point leaves a file whose findings are still here, and the next one empties that file first:
each finding is either here or in the archive, and in the archive once. No two batches have a file
of the same name: a process that hangs while it empties a file can do so late, and harms no other.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Min, QuerySet
from django.db.models.functions import Length
from django.utils import timezone

from actions.models import ArchiveCopy, ArchiveFile, Attempt, Memory, Reaction, Verdict
from actions.retention import content, due, parquet
from actions.retention.content import Content
from actions.retention.places import ArchiveError, Place
from findings import retention, sums
from findings.models import Finding, TriageEntry
from storage import bulk
from storage.locks import only_one

logger = logging.getLogger(__name__)

LOCK = "actions.retention"
LONGEST = 1.0  # seconds for which a transaction may hold its locks
BATCH = 500  # findings in one file and one transaction, at most
TRIES = 3
BATCH_BYTES = 8 * 1024 * 1024  # of raw findings


@dataclass(slots=True)
class Result:
    """What happened to the old findings."""

    archived: int = 0
    files: int = 0
    returned: int = 0  # copies that the archive still had, and that were deleted here
    kept: int = 0  # last seen before, and not archived
    is_busy: bool = False  # another process archives


class _Changed(Exception):
    """A finding changed since it was read, or another process took the file over."""


def archive(
    place: Place, *, now: datetime, stop: threading.Event, is_dry_run: bool = False
) -> Result:
    """Archives and deletes all old findings, until `stop` is set.

    Does nothing if another process does it. Raises ArchiveError if the archive cannot be written,
    and ValueError if RETENTION_DAYS is invalid.
    """
    result = Result()
    before = retention.begin(now)
    if before is None:
        return result
    with only_one(LOCK) as is_ours:
        if not is_ours:
            result.is_busy = True
            return result
        if not is_dry_run:
            _empty_unfinished(place)
        old, size = due.old(before, now=now), _Size()
        for pks in _batches(old, before, size):
            if stop.is_set():
                break
            if is_dry_run:
                result.archived += len(due.finished(pks))
            else:
                size.adapt(_archive(place, old, pks, result))
    result.kept = Finding.objects.filter(seen_at__lt=before).count()
    result.kept -= result.archived if is_dry_run else 0
    return result


@dataclass(slots=True)
class _Size:
    """The findings of a batch: fewer if the database takes long."""

    most: int = BATCH

    def adapt(self, took: float) -> None:
        if took > LONGEST / 2:
            self.most = max(self.most // 2, 1)
        elif took < LONGEST / 8:
            self.most = min(self.most * 2, BATCH)


def _batches(old: QuerySet[Finding], before: datetime, size: _Size) -> Iterator[list[int]]:
    """Yields the primary keys of batches, the oldest day first."""
    begin: datetime | None = None
    while True:
        # Not the oldest of `old`: what stays would be read again and again.
        rest = Finding.objects.filter(seen_at__lt=before)
        rest = rest.filter(seen_at__gte=begin) if begin else rest
        oldest = rest.aggregate(at=Min("seen_at"))["at"]
        if oldest is None:
            return
        begin = datetime.combine(_day(oldest), datetime.min.time(), UTC)
        end = begin + timedelta(days=1)
        of_day = old.filter(seen_at__gte=begin, seen_at__lt=end)
        rows = of_day.annotate(size=Length("raw")).order_by("account_id", "pk")
        yield from _parts(list(rows.values_list("account_id", "pk", "size")), size)
        begin = end


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()


def _parts(rows: Sequence[tuple[str, int, int]], size: _Size) -> Iterator[list[int]]:
    part: list[int] = []
    total, account = 0, ""
    for account_id, pk, length in rows:
        is_full = len(part) >= size.most or total + length > BATCH_BYTES
        if part and (is_full or account_id != account):
            yield part
            part, total = [], 0
        account = account_id
        total += length
        part.append(pk)
    if part:
        yield part


def _archive(place: Place, old: QuerySet[Finding], pks: Sequence[int], result: Result) -> float:
    """Archives a batch, and returns for how many seconds the transaction ran that deleted it."""
    for _ in range(TRIES):
        still_old = old.filter(pk__in=pks).values_list("pk", flat=True)
        contents = content.of(sorted(due.finished(still_old)))
        if not contents:
            return 0
        there = _still_in(place, contents)
        new = [one for pk, one in contents.items() if pk not in there]
        file = _write(place, new) if new else None
        begun = time.monotonic()
        try:
            _delete(file, contents)
        except (_Changed, OperationalError, IntegrityError) as error:
            # It changed, or a lock would have taken too long, or a trigger refused.
            if not isinstance(error, _Changed):
                # The text of the error can quote a finding.
                logger.warning("Old findings could not be deleted yet: %s", type(error).__name__)
            _empty_unfinished(place)
            continue
        result.archived += len(new)
        result.returned += len(there)
        result.files += bool(file)
        return time.monotonic() - begun
    return LONGEST  # another day


def _still_in(place: Place, contents: Mapping[int, Content]) -> set[int]:
    """Returns the copies that have not changed since they were brought back from this archive."""
    copies = ArchiveCopy.objects.filter(finding__in=[*contents], place=place.name)
    by_path: dict[str, set[int]] = {}
    for copy in copies:
        if copy.digest == content.digest([contents[copy.finding_id]]):
            by_path.setdefault(copy.path, set()).add(copy.finding_id)
    found: set[int] = set()
    for path, pks in by_path.items():
        try:
            held = {_identity(one) for one in read(place, path)}
        except (ArchiveError, parquet.NotOfTheArchive):
            continue  # it is archived again
        found |= {pk for pk in pks if _identity(contents[pk]) in held}
    return found


def _identity(one: Content) -> tuple[str, str, str, str]:
    finding = one.finding
    return finding["account_id"], finding["region"], finding["finding_id"], one.raw


def read(place: Place, path: str) -> Iterator[Content]:
    """Yields the content of a file. Raises ArchiveError, or NotOfTheArchive if it is another."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "read.parquet"
        place.read(path, file)
        for row in parquet.read(file):
            try:
                one = Content.loaded(*row)
            except (ValueError, KeyError, TypeError, RecursionError):
                raise parquet.NotOfTheArchive("It is not a file of the archive.") from None
            yield one


def _write(place: Place, contents: Sequence[Content]) -> ArchiveFile:
    """Writes a file of the archive, and reads it again. Returns its row, which is unfinished."""
    first = contents[0]
    at = timezone.now()
    path = f"account_id={first.account}/day={first.day}/{uuid.uuid4().hex}.parquet"
    row = ArchiveFile.objects.create(
        place=place.name, path=path, findings=len(contents), begun_at=at
    )
    with TemporaryDirectory() as folder:
        file = Path(folder) / "new.parquet"
        try:
            parquet.write((content.ocsf(one, at=at) for one in contents), file)
        except (OSError, duckdb.Error) as error:  # the disk is full, for example
            # The text of an error of DuckDB can quote a finding.
            reason = error.strerror if isinstance(error, OSError) else type(error).__name__
            raise ArchiveError(f"A temporary file could not be written: {reason}.") from None
        place.write(path, file)
    try:
        is_right = content.digest(read(place, path)) == content.digest(contents)
    except parquet.NotOfTheArchive:
        is_right = False
    if not is_right:
        raise ArchiveError(f"{place.name}/{path} was written, but has another content.")
    return row


@transaction.atomic
def _delete(file: ArchiveFile | None, contents: Mapping[int, Content]) -> None:
    """Deletes findings that are in the archive, with all that belongs to them.

    Raises _Changed, and deletes nothing, if they are not just as they were.
    """
    pks = [*contents]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # each statement would rather fail than wait longer
            cursor.execute("SET LOCAL lock_timeout = '500ms'")
    if file:
        unfinished = ArchiveFile.objects.filter(pk=file.pk, finished_at=None, given_up_at=None)
        if not unfinished.update(finished_at=timezone.now()):
            raise _Changed
    if content.of(pks, is_locked=True) != contents:
        raise _Changed
    actions = [one["id"] for each in contents.values() for one in each.actions]
    for model in (Attempt, Verdict, Memory):
        bulk.delete(model, "reaction_id", actions)
    bulk.delete(Reaction, "id", actions)
    bulk.delete(TriageEntry, "finding_id", pks)
    bulk.delete(ArchiveCopy, "finding_id", pks)
    forgotten = sums.mentioned(pks)
    bulk.delete(Finding, "id", pks)
    if connection.vendor == "postgresql":
        connection.check_constraints()  # now, and not at the end, when others wait for the sums
    sums.forget(forgotten)


def _empty_unfinished(place: Place) -> None:
    """Takes the findings out of files whose process was killed: they are still here.

    A file is emptied and not deleted, so that no process needs the permission to delete.
    """
    with TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.parquet"
        for row in ArchiveFile.objects.filter(place=place.name, finished_at=None):
            if not empty.exists():
                parquet.write([], empty)
            given_up = ArchiveFile.objects.filter(pk=row.pk, finished_at=None)
            if given_up.update(given_up_at=timezone.now()):
                place.write(row.path, empty)
                given_up.delete()
