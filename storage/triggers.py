"""Migration operations that add triggers, which make tables append-only in the database.

The models of storage.append_only refuse changes in Python. The triggers also refuse changes from
psql, sqlite3 and other clients. The owner of the tables can still drop the triggers.

A later migration that must rewrite rows calls `drop`, rewrites the rows, and calls `create`, in one
RunPython. On SQLite, Django alters a column by copying the table, which drops the triggers. Such a
migration must end with this operation; tests/test_append_only.py fails otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

# A trigger cannot know RETENTION_DAYS, which is never less than this.
RETAINED_DAYS = 90


class Retained(NamedTuple):
    """Which rows of a table retention may delete: those that are RETAINED_DAYS old."""

    at: str  # the column with the time by the clock of the database
    settled: Mapping[str, Sequence[str]] = {}  # the columns that must not have these values
    empty: Sequence[str] = ()  # the columns that must be NULL


class AppendOnly(Operation):
    """Makes the database refuse UPDATE, DELETE, TRUNCATE and REPLACE on a table.

    The database raises an IntegrityError with `message`. With `retained`, it lets the rows go that
    retention may delete, one by one and never by TRUNCATE or REPLACE.
    """

    reduces_to_sql = True
    reversible = True

    def __init__(self, table: str, *, retained: Retained | None = None) -> None:
        self.table = table
        self.retained = retained

    @property
    def message(self) -> str:
        """The error message of the database."""
        return (
            f"The table {self.table} is append-only: rows cannot be changed or deleted."
            " Nothing was changed."
        )

    @property
    def columns(self) -> Sequence[str]:
        """The columns that cannot change; empty means all columns."""
        return ()

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Do nothing: triggers are not part of Django's migration state."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        self.drop(schema_editor)  # so that a later migration can repeat the operation
        self.create(schema_editor)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        self.drop(schema_editor)

    def create(self, schema_editor: BaseDatabaseSchemaEditor) -> None:
        """Create the triggers. Raises ProgrammingError or OperationalError if they exist."""
        for statement in self._create(schema_editor):
            schema_editor.execute(statement, params=None)

    def drop(self, schema_editor: BaseDatabaseSchemaEditor) -> None:
        """Drop the triggers if they exist."""
        for statement in self._drop(schema_editor):
            schema_editor.execute(statement, params=None)

    def describe(self) -> str:
        """Return the description for `migrate --plan`."""
        return f"Make the table {self.table} append-only"

    def _create(self, schema_editor: BaseDatabaseSchemaEditor) -> list[str]:
        table, name = self.table, f"{self.table}_append_only"
        columns = [schema_editor.quote_name(column) for column in self.columns]
        kept = self._kept(schema_editor.connection.vendor)
        if schema_editor.connection.vendor == "postgresql":
            of = f" OF {', '.join(columns)}" if columns else ""
            delete = "" if self.retained else " OR DELETE"
            rows = [
                f"CREATE TRIGGER {name}_delete BEFORE DELETE ON {table} FOR EACH ROW WHEN ({kept})"
                f" EXECUTE FUNCTION {name}()"
            ]
            return [
                f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                f" RAISE restrict_violation USING MESSAGE = '{self.message}'; END $$",
                # For each statement, because TRUNCATE has no row triggers.
                f"CREATE TRIGGER {name} BEFORE UPDATE{of}{delete} OR TRUNCATE ON {table}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION {name}()",
                *(rows if self.retained else ()),
            ]
        # Not UPDATE OF, which does not fire for `SET rowid`.
        when = " OR ".join(f"NEW.{column} IS NOT OLD.{column}" for column in columns) or "true"
        refuse = f"BEGIN SELECT RAISE(ABORT, '{self.message}'); END"
        fail = f"INSERT OR IGNORE INTO {name} VALUES (0)"  # noqa: S608  (a trusted name)
        return [
            f"CREATE TRIGGER {name}_update BEFORE UPDATE ON {table} WHEN {when} {refuse}",
            f"CREATE TRIGGER {name}_delete BEFORE DELETE ON {table} WHEN {kept} {refuse}",
            # REPLACE deletes rows without firing DELETE triggers. But its conflict resolution
            # overrides that of the statements in an INSERT trigger, and under REPLACE a CHECK
            # constraint fails. So `fail` raises an error for REPLACE, and does nothing for other
            # inserts. The table in `fail` stays empty.
            f"CREATE TABLE {name} (refused CONSTRAINT"
            f' "{self.message} Use INSERT without OR REPLACE." CHECK (refused))',
            f"CREATE TRIGGER {name}_replace BEFORE INSERT ON {table} BEGIN {fail}; END",
        ]

    def _kept(self, vendor: str) -> str:
        """Returns the condition on which a row cannot be deleted."""
        if not self.retained:
            return "true"
        before = {
            "postgresql": f"now() - interval '{RETAINED_DAYS} days'",
            "sqlite": f"strftime('%Y-%m-%d %H:%M:%f', 'now', '-{RETAINED_DAYS} days')",
        }[vendor]
        conditions = [f"OLD.{self.retained.at} < {before}"]
        for column, values in self.retained.settled.items():
            listed = ", ".join(f"'{value}'" for value in values)
            conditions.append(f"OLD.{column} NOT IN ({listed})")
        conditions += [f"OLD.{column} IS NULL" for column in self.retained.empty]
        return f"({' AND '.join(conditions)}) IS NOT TRUE"  # also if one is NULL

    def _drop(self, schema_editor: BaseDatabaseSchemaEditor) -> list[str]:
        name = f"{self.table}_append_only"
        if schema_editor.connection.vendor == "postgresql":
            return [f"DROP FUNCTION IF EXISTS {name}() CASCADE"]  # also drops its trigger
        triggers = [f"{name}_{event}" for event in ("update", "delete", "replace")]
        return [
            *(f"DROP TRIGGER IF EXISTS {trigger}" for trigger in triggers),
            f"DROP TABLE IF EXISTS {name}",
        ]


class FixedColumns(AppendOnly):
    """Makes the database refuse to change these columns of a table, and to delete its rows.

    For tables whose other columns can change.
    """

    def __init__(
        self, table: str, columns: Sequence[str], *, retained: Retained | None = None
    ) -> None:
        super().__init__(table, retained=retained)
        self._columns = columns

    @property
    def columns(self) -> Sequence[str]:
        """The columns that cannot change."""
        return self._columns

    @property
    def message(self) -> str:
        """The error message of the database."""
        return (
            f"The table {self.table} is protected: rows cannot be deleted, and these columns cannot"
            f" change: {', '.join(self.columns)}. Nothing was changed."
        )

    def describe(self) -> str:
        return f"Protect the rows of {self.table}, and their columns {', '.join(self.columns)}"
