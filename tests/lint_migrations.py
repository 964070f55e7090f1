"""Checks that the version before can run on the database after each migration.

During an upgrade, old processes read and write after `manage.py release` has migrated.
`scripts/check-migrations` runs this with a PostgreSQL database in DATABASE_URL, which it does not
change.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django_migration_linter import MigrationLinter

ROOT = Path(__file__).resolve().parent.parent
# The last migration of each app before the first image. No older version has run beside them, so
# they are not checked. Never move one of these past a release.
BEFORE_THE_FIRST_IMAGE = {
    "accounts": "0008_append_only",
    "actions": "0009_append_only",
    "findings": "0011_beginning_of_names",
    "license": "0002_append_only",
    "panel": "0004_append_only",
}
# Migrations that the linter refuses without need: the new unique index allows all that the one
# before allowed.
LOOSENED = {
    ("actions", "0014_deny"),
    ("panel", "0008_cancelled_orders_make_room"),
}
ADVICE = (
    "The version before fails on the database after this migration. Give a new column null or"
    " db_default; drop or rename a column in the release after the one that stops using it."
)


class Linter(MigrationLinter):
    """Checks the newer migrations of the apps in this repository."""

    def should_ignore_migration(
        self, app_label: str, migration_name: str, *details: Any, **more: Any
    ) -> bool:
        """Return whether the migration is older, or of another package."""
        folder = Path(apps.get_app_config(app_label).path)
        return (
            folder.parent != ROOT
            or (app_label, migration_name) in LOOSENED
            or migration_name <= BEFORE_THE_FIRST_IMAGE.get(app_label, "")
            or bool(super().should_ignore_migration(app_label, migration_name, *details, **more))
        )


def main() -> int:
    """Print what is wrong, and return the exit status."""
    os.environ |= {"DOTENV_PATH": "", "SECRET_KEY": "-"}
    os.environ["PANEL_DATABASE_URL"] = os.environ["DATABASE_URL"]
    django.setup()
    logging.getLogger("django_migration_linter").setLevel(logging.ERROR)
    linter = Linter(str(ROOT), no_cache=True, quiet=["ok", "ignore"])
    linter.lint_all_migrations()
    if linter.has_errors:
        print(ADVICE, file=sys.stderr)  # noqa: T201
    return int(linter.has_errors)


if __name__ == "__main__":
    sys.exit(main())
