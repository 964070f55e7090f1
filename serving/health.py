"""Whether a process can work: its database responds, and has all migrations."""

from __future__ import annotations

import logging

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

logger = logging.getLogger(__name__)


def readiness() -> dict[str, str]:
    """Returns the status of the database and of its migrations; `status` is "ok" if both are."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        are_pending = migrations.are_pending()
    except Error as error:
        logger.error("Not ready: %s", type(error).__name__)
        return {"status": "unavailable", "database": "unavailable"}
    if are_pending:
        return {"status": "unavailable", "database": "ok", "migrations": "pending"}
    return {"status": "ok", "database": "ok", "migrations": "ok"}


class Migrations:
    """Whether some are pending. Once none is, this process does not look again."""

    def __init__(self) -> None:
        self.were_applied = False

    def are_pending(self) -> bool:
        """Reads the migrations' files and the table of those applied. Raises django.db.Error."""
        if not self.were_applied:
            executor = MigrationExecutor(connection)
            self.were_applied = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        return not self.were_applied


migrations = Migrations()
