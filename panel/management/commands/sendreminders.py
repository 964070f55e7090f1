from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from panel import outbox, reminders


class Command(BaseCommand):
    help = (
        "Reminds customers by email whose license ends in 14, 7 or 1 days, or today, and sends"
        " mail that could not be sent before. Run it every hour, or at least once a day. It sends"
        " each reminder only once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="list the reminders and mails that are due without sending them",
        )

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        at = timezone.now()
        for issued, days_before in list(reminders.due(at)):
            about = f"{issued.customer}: {issued.jti}, {days_before} days before it ends"
            if dry_run:
                self.stdout.write(f"Would remind {about}")
                continue
            if reminders.send(issued, days_before, at=at):
                self.stdout.write(f"Reminded {about}")
        failed = 0
        for mail in outbox.waiting():
            about = f"mail {mail.pk} to {mail.to}: {mail.subject}"
            if dry_run:
                self.stdout.write(f"Would send {about}")
                continue
            try:
                if outbox.send(mail):
                    self.stdout.write(f"Sent {about}")
            except OSError as error:
                failed += 1
                self.stderr.write(f"Failed to send {about}: {type(error).__name__}")
        if failed:
            msg = f"{failed} mails could not be sent. The next run tries again."
            raise CommandError(msg)
