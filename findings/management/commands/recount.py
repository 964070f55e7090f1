from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from findings import sums


class Command(BaseCommand):
    """`manage.py recount`. Raises CommandError if `--check` finds a wrong sum."""

    help = (
        "Counts the findings from nothing, and repairs the sums on the dashboard and on the pages"
        " of entities and accounts if they are wrong. Then no finding is stored meanwhile."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check",
            action="store_true",
            help="Repair nothing. The exit status is 1 if a sum is wrong.",
        )

    def handle(self, *, check: bool, **options: Any) -> None:
        wrong = sums.recount(repair=not check)
        told = ", ".join(f"{count:,} {name}" for name, count in wrong.items() if count)
        if not told:
            self.stdout.write("All sums are right.")
        elif check:
            msg = f"These are wrong: {told}. Run it without --check to repair them."
            raise CommandError(msg)
        else:
            self.stdout.write(f"These were wrong, and are repaired: {told}.")
