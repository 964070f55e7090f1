"""The command `verifyjournal`."""

from __future__ import annotations

import re
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import Error

from serving.answers import AnsweringCommand
from storage import journal
from storage.instants import iso

COULD_NOT_TELL = 3


class Command(AnsweringCommand):
    """Verifies the journals."""

    help = (
        "Verifies the history of license keys and revocation lists and the log of policy changes:"
        " each line contains the SHA-256 of the line before it. Prints the number of lines and the"
        " head of each journal, and names the first broken line. Lines that were removed at the end"
        " are missed only with --expect. Exit status: 0 whole, 1 broken, or a head is missing, 3"
        " unknown: the database or the command line has an error."
    )
    requires_system_checks = []  # for auditors, even if checks fail

    failed = COULD_NOT_TELL

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--expect",
            action="append",
            default=[],
            metavar="HEAD",
            help="a head from the log of the worker, which must occur in a journal; repeatable",
        )

    def handle(self, *, expect: list[str], **options: Any) -> None:
        if not all(re.fullmatch("[0-9a-f]{64}", one) for one in expect):
            raise CommandError("A head consists of 64 digits and letters from a to f.")
        missing = set(expect) - {journal.NOTHING}
        try:
            proofs = [journal.verify(model, among=missing) for model in journal.journals()]
        except Error as error:
            msg = f"The database could not be read: {type(error).__name__}."
            raise CommandError(msg, returncode=COULD_NOT_TELL) from None
        for (table, lines, sha256), broken in proofs:
            if broken:
                at = f" of {iso(broken.at)}" if broken.at else ""
                self.stdout.write(f"{table}: BROKEN at line {broken.pk}{at}. {broken.what}")
            else:
                self.stdout.write(f"{table}: {lines} lines, head {sha256}")
        for sha256 in sorted(missing):
            self.stdout.write(
                f"MISSING: head {sha256}. The database was restored from an older backup, or lines"
                " were removed or rewritten."
            )
        if missing or any(broken for _, broken in proofs):
            self.answer(1)
