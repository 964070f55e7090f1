"""The command `setlicense`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from license.claims import LicenseClaims
from license.installation import ConfirmationNeeded, install, preview
from license.models import License
from license.reasons import LicenseError
from license.token import MAX_LICENSE_BYTES
from storage.instants import iso


class Command(BaseCommand):
    """Installs a license key."""

    help = (
        "Installs a license key. Use standard input, `manage.py setlicense - < key.txt`: other"
        " users of the machine can see a key on the command line, and the shell keeps it in its"
        " history."
    )
    requires_system_checks = []  # works even if checks fail, so that a license can be fixed

    def add_arguments(self, parser: CommandParser) -> None:
        parser.error = self._refuse_arguments  # type: ignore[method-assign]
        # A pasted key may contain spaces, which split it into several arguments.
        parser.add_argument("key", nargs="*", help='the key, or "-" to read it from standard input')
        parser.add_argument("--file", type=Path, help="read the key from this file")
        parser.add_argument(
            "--dry-run", action="store_true", help="validate the key without installing it"
        )
        parser.add_argument(
            "--force",
            action="store_true",
            help="install the key even if it expires before the license in force, or changes the"
            " plan from Paid to Trial. The license that is now in force stays installed: it is in"
            " force again when the new one expires, unless the new key revokes it",
        )

    def _refuse_arguments(self, message: str) -> NoReturn:
        """Exit with status 2 without argparse's message, which could print a part of the key.

        That happens if the key is split by a space and a part begins with a hyphen.
        """
        self.stderr.write(
            "The arguments are not valid. They are not shown here, because they may contain a key."
            " Nothing was changed. See `manage.py setlicense --help`."
        )
        sys.exit(2)

    @sensitive_variables()
    def handle(
        self, *, key: list[str], file: Path | None, dry_run: bool, force: bool, **options: Any
    ) -> None:
        if bool(key) == bool(file):
            raise CommandError("Specify the key, - for standard input, or --file PATH.")
        text = _read(key, file)
        now = timezone.now()
        try:
            if dry_run:
                self._validate(text, force=force)
            else:
                installed = install(
                    text, by=None, source=License.Source.COMMAND, at=now, confirmed=force
                )
                done = "Installed" if installed.created else "Already installed:"
                self.stdout.write(f"{done} {_described(installed.claims)}")
        except LicenseError as refused:
            msg = f"{refused.code}: {refused} Nothing was changed."
            raise CommandError(msg) from None
        except ConfirmationNeeded as question:
            msg = f"{question} Nothing was changed. Use --force to install it anyway."
            raise CommandError(msg) from None

    def _validate(self, text: str, *, force: bool) -> None:
        found = preview(text, timezone.now())
        if found.error:
            raise found.error
        if found.confirmation and not force:
            raise ConfirmationNeeded(found.confirmation)
        if found.claims:
            done = "Already installed:" if found.is_current else "Would install"
            self.stdout.write(f"{done} {_described(found.claims)}")


def _read(key: list[str], file: Path | None) -> str:
    if file:
        try:
            with file.open("rb") as opened:
                return _text(opened.read(4 * MAX_LICENSE_BYTES))
        except OSError as error:
            msg = f"The file cannot be read: {error.strerror}."
            raise CommandError(msg) from None
    if key == ["-"]:
        return _text(sys.stdin.buffer.read(4 * MAX_LICENSE_BYTES))
    return " ".join(key)


def _text(octets: bytes) -> str:
    return octets.decode(errors="replace")  # validation rejects invalid UTF-8


def _described(claims: LicenseClaims) -> str:
    return (
        f"a {claims.plan.value} license for AWS account {claims.aws_account_id}, valid from"
        f" {iso(claims.not_before)} to {iso(claims.expires_at)}."
    )
