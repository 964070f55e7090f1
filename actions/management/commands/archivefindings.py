from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from actions.retention import archiving, places
from actions.retention.places import ArchiveError
from findings import retention
from license import clock
from serving.commands import session_and_queue, stop_event


class Command(BaseCommand):
    """`manage.py archivefindings`. Raises CommandError if the archive cannot be written."""

    help = (
        "Moves findings that are older than RETENTION_DAYS to the archive: writes them to"
        " ARCHIVE_BUCKET or ARCHIVE_FOLDER, reads that again, and then deletes them, in small"
        " batches. SIGTERM and Ctrl-C stop it after a batch, and the next one goes on. The worker"
        " does the same every day."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Count, and change nothing.")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        stop = stop_event()
        session, _ = session_and_queue("", clock.heard)
        place = places.configured(session)
        now = timezone.now()
        begin = retention.begin(now)
        if begin is None:
            self.stdout.write("RETENTION_DAYS is 0, so no finding is archived.")
            return
        try:
            result = archiving.archive(place, now=now, stop=stop, is_dry_run=dry_run)
        except ArchiveError as error:
            msg = f"The archive failed, and what is not in it was not deleted. {error}"
            raise CommandError(msg) from error
        if result.is_busy:
            self.stdout.write("Another process archives findings now.")
            return
        done = "Would archive" if dry_run else "Archived"
        where = "" if dry_run else f" in {result.files:,} files of {place.name}"
        before = f"from before {begin:%Y-%m-%d}"
        self.stdout.write(f"{done} {result.archived:,} findings {before}{where}.")
        if result.returned:
            self.stdout.write(f"Deleted {result.returned:,} copies that the archive still has.")
        if stop.is_set():
            self.stdout.write("It was stopped. Run it again to go on.")
        elif result.kept:
            self.stdout.write(
                f"{result.kept:,} findings from before stay: they are open cases, what was done"
                " about them is in force, something happened to them since, or they could not be"
                " deleted yet, of which the log tells."
            )
