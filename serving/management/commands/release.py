from __future__ import annotations

import logging
import signal
import sys
import time
from types import FrameType
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import OperationalError, connection

from storage.locks import session_lock

logger = logging.getLogger(__name__)

PAUSE = 2.0  # seconds between attempts
# A migration that waits for a table makes all later requests to that table wait, too. So it gives
# up and tries again, which lets them pass. gunicorn ends a request after 30 seconds.
LOCK_TIMEOUT = 5.0  # seconds
LOCKED = {"55P03", "40P01"}  # SQLSTATE: LOCK_TIMEOUT has passed; a deadlock
TERMINATED = 128 + signal.SIGTERM


class Migrate(migrate.Command):
    """Django's `migrate`, which SIGTERM ends between two migrations."""

    was_terminated = False

    def migration_progress_callback(
        self, action: str, migration: Any = None, fake: bool = False
    ) -> None:
        """Called by Django before and after each migration."""
        if action == "apply_start" and self.was_terminated:
            logger.warning("Stopped by SIGTERM. The next release applies the other migrations.")
            sys.exit(TERMINATED)
        if action == "apply_success":
            logger.info("Applied %s.", migration)


class Command(BaseCommand):
    """`manage.py release`. Raises CommandError if another release does not end in time."""

    help = (
        "Migrates the database before the web and worker processes of a new version start. Waits"
        " for a database that does not respond yet. Can run any number of times at once: one"
        " process migrates, and the others wait for it. SIGTERM ends it after the current"
        " migration."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--wait",
            type=float,
            default=600,
            metavar="SECONDS",
            help="how long to wait for the database, for another release and for locked tables",
        )

    def handle(self, *, wait: float, **options: Any) -> None:
        migrating = Migrate()
        is_migrating = False

        def terminate(number: int, frame: FrameType | None) -> None:
            migrating.was_terminated = True
            if not is_migrating:
                sys.exit(TERMINATED)

        signal.signal(signal.SIGTERM, terminate)
        until = time.monotonic() + wait
        while True:
            try:
                with session_lock("release", until=until):
                    is_migrating = True
                    _migrate(migrating)
                logger.info("The database has all migrations.")
                return
            except TimeoutError:
                msg = f"Another release did not end within {wait:g} seconds."
                raise CommandError(msg) from None
            except OperationalError as error:
                is_connected = is_migrating and not _is_locked(error)
                is_migrating = False
                if is_connected or time.monotonic() > until:
                    raise
                logger.warning("Trying again. %s", str(error).splitlines()[0])
                time.sleep(PAUSE)


def _migrate(migrating: Migrate) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{LOCK_TIMEOUT}s"])
    call_command(migrating, interactive=False, verbosity=0)


def _is_locked(error: OperationalError) -> bool:
    return getattr(error.__cause__, "sqlstate", None) in LOCKED
