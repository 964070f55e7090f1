from __future__ import annotations

import io
import itertools
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from actions import ingest
from actions.retention import restoring
from actions.retention.places import ArchiveError
from findings.guardduty.files import Found, Stream, read_findings
from findings.guardduty.parser import Unparsed
from findings.ingest import IngestResult
from license import clock
from serving import logs
from serving.commands import session_and_queue

BATCH = 500  # findings in one transaction


class Command(BaseCommand):
    """`manage.py importfindings FILE...`. Raises CommandError if anything is rejected."""

    help = (
        "Imports findings from files: output of `aws guardduty get-findings`, EventBridge events,"
        " JSON arrays or JSON lines, or a GuardDuty S3 export. Files can be gzip-compressed. The"
        " current policy applies to each finding. Findings that are already stored are updated. A"
        " Parquet file, a folder of them or s3://BUCKET/PREFIX is read as the archive: its findings"
        " come back as they were, no action is decided on them, and they stay for 30 days."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "files",
            nargs="+",
            metavar="FILE",
            help='a file, "-" for standard input, or a folder or s3://... of the archive',
        )

    def handle(self, *, files: list[str], **options: Any) -> None:
        self.refused = 0
        total = IngestResult()
        with logs.traced(uuid.uuid4().hex):  # one for all, as of a request
            for name in files:
                try:
                    if restoring.is_archive(name):
                        total += self._restore(name)
                        continue
                    with _opened(name) as stream:
                        total += self._import(name, stream)
                except OSError as error:
                    self._refuse(name, f"{error.strerror}.")
                except ArchiveError as error:
                    self._refuse(name, str(error))
        self.stdout.write(
            f"{total.stored} stored, {total.updated} updated, {total.unchanged} unchanged,"
            f" {total.ignored} ignored by the policy, {total.unparsed} stored unparsed,"
            f" {self.refused} rejected."
        )
        if self.refused:
            msg = f"Rejected: {self.refused}."
            raise CommandError(msg)

    def _import(self, name: str, stream: Stream) -> IngestResult:
        total = IngestResult()
        shown = tqdm(read_findings(stream), desc=name, unit=" findings", disable=None)
        readable = (found for found in shown if not self._is_refused(name, found))
        while batch := [found.finding for found in itertools.islice(readable, BATCH)]:
            total += ingest.ingest(batch, at=timezone.now())
        return total

    def _restore(self, name: str) -> IngestResult:
        session, _ = session_and_queue("", clock.heard)
        return restoring.restore(name, now=timezone.now(), session=session, refuse=self._refuse)

    def _is_refused(self, name: str, found: Found) -> bool:
        if isinstance(found.finding, Unparsed):
            self._refuse(f"{name}, {found.place}", found.finding.reason)
            return True
        return False

    def _refuse(self, where: str, reason: str) -> None:
        self.refused += 1
        self.stderr.write(f"{where}: {reason}")


@contextmanager
def _opened(name: str) -> Iterator[Stream]:
    if name == "-":
        yield cast(io.BufferedReader, sys.stdin.buffer)
        return
    with Path(name).open("rb") as stream:
        yield stream
