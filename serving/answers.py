"""Commands whose exit status is an answer."""

from __future__ import annotations

import sys
from typing import ClassVar

from django.core.management.base import BaseCommand


class AnsweringCommand(BaseCommand):
    """A command whose exit status is its answer, which scripts read.

    argparse and Django have statuses of their own for mistakes in the command line and for errors,
    which can also be an answer. So what ends the command before `answer` has the status `failed`.
    """

    failed: ClassVar[int]
    _has_answered = False

    def run_from_argv(self, argv: list[str]) -> None:
        """Runs the command, as from a shell."""
        try:
            super().run_from_argv(argv)
        except SystemExit as ended:
            is_answer = self._has_answered or not ended.code
            sys.exit(ended.code if is_answer else self.failed)

    def answer(self, exit_status: int) -> None:
        """Ends the command with this exit status."""
        self._has_answered = True
        sys.exit(exit_status)
