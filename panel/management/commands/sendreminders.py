from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from panel import reminders


class Command(BaseCommand):
    help = (
        "Mails customers whose license ends in 14, 7 or 1 days, or today. Run it once a day; run"
        " twice, it mails once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say who is due, mail nobody")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        at = timezone.now()
        failed = 0
        for issued, days_before in list(reminders.due(at)):
            about = f"{issued.customer}: {issued.jti}, {days_before} days before its end"
            if dry_run:
                self.stdout.write(f"Would remind {about}")
                continue
            try:
                if reminders.send(issued, days_before, at=at):
                    self.stdout.write(f"Reminded {about}")
            except OSError as error:
                failed += 1
                self.stderr.write(f"Not reminded {about}: {type(error).__name__}")
        if failed:
            msg = f"Not sent: {failed}. The next run tries again."
            raise CommandError(msg)
