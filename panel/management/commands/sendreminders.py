from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from panel import reminders


class Command(BaseCommand):
    help = (
        "Reminds customers by e-mail whose license ends in 14, 7 or 1 days, or today. Run it once a"
        " day. It sends each reminder only once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="list the reminders that are due without sending them",
        )

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        at = timezone.now()
        failed = 0
        for issued, days_before in list(reminders.due(at)):
            about = f"{issued.customer}: {issued.jti}, {days_before} days before it ends"
            if dry_run:
                self.stdout.write(f"Would remind {about}")
                continue
            try:
                if reminders.send(issued, days_before, at=at):
                    self.stdout.write(f"Reminded {about}")
            except OSError as error:
                failed += 1
                self.stderr.write(f"Failed to remind {about}: {type(error).__name__}")
        if failed:
            msg = f"{failed} reminders could not be sent. The next run tries again."
            raise CommandError(msg)
