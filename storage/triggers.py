"""Migration operations that have the database itself keep the rows of a history.

The models of storage.append_only refuse in Python; these triggers refuse what comes by other ways,
such as psql and sqlite3. Whoever owns the tables can still drop the triggers.

A later migration that has to rewrite rows calls `drop`, rewrites, and calls `create`, in one
RunPython. On SQLite, Django alters a column by copying the table, which loses the triggers: such a
migration lists the operation again at its end. tests/test_append_only.py fails until it does.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState


class AppendOnly(Operation):
    """Has the database refuse UPDATE, DELETE, TRUNCATE and REPLACE on a table.

    The refusal is an IntegrityError whose text names the table and says why.
    """

    reduces_to_sql = True
    reversible = True

    def __init__(self, table: str) -> None:
        self.table = table

    @property
    def message(self) -> str:
        """What the database answers to whoever tries."""
        return (
            f"The table {self.table} is append-only: a row is never changed or deleted."
            " Nothing was changed."
        )

    @property
    def columns(self) -> Sequence[str]:
        """The columns that never change; empty for all of them."""
        return ()

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Triggers are no part of Django's state."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        self.drop(schema_editor)  # so that a later migration may list the operation again
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
        """Adds the triggers. Raises ProgrammingError or OperationalError if they are there."""
        for statement in self._create(schema_editor):
            schema_editor.execute(statement, params=None)

    def drop(self, schema_editor: BaseDatabaseSchemaEditor) -> None:
        """Removes the triggers, if they are there."""
        for statement in self._drop(schema_editor):
            schema_editor.execute(statement, params=None)

    def describe(self) -> str:
        """What `migrate --plan` prints."""
        return f"Keep the rows of {self.table} as they were written"

    def _create(self, schema_editor: BaseDatabaseSchemaEditor) -> list[str]:
        table, name = self.table, f"{self.table}_append_only"
        columns = [schema_editor.quote_name(column) for column in self.columns]
        if schema_editor.connection.vendor == "postgresql":
            of = f" OF {', '.join(columns)}" if columns else ""
            return [
                f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                f" RAISE restrict_violation USING MESSAGE = '{self.message}'; END $$",
                # Once for each statement: TRUNCATE knows no rows.
                f"CREATE TRIGGER {name} BEFORE UPDATE{of} OR DELETE OR TRUNCATE ON {table}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION {name}()",
            ]
        # Not UPDATE OF: `SET rowid` would get by.
        when = " OR ".join(f"NEW.{column} IS NOT OLD.{column}" for column in columns) or "true"
        refuse = f"BEGIN SELECT RAISE(ABORT, '{self.message}'); END"
        fail = f"INSERT OR IGNORE INTO {name} VALUES (0)"  # noqa: S608  (a name of our own)
        return [
            f"CREATE TRIGGER {name}_update BEFORE UPDATE ON {table} WHEN {when} {refuse}",
            f"CREATE TRIGGER {name}_delete BEFORE DELETE ON {table} {refuse}",
            # REPLACE deletes rows without firing their triggers. But its way to resolve conflicts
            # also holds for the statements of a trigger, in place of their own, and a CHECK fails
            # under REPLACE. So `fail` does nothing in any other INSERT. The table that
            # it names stays empty.
            f"CREATE TABLE {name} (refused CONSTRAINT"
            f' "{self.message} Use INSERT without OR REPLACE." CHECK (refused))',
            f"CREATE TRIGGER {name}_replace BEFORE INSERT ON {table} BEGIN {fail}; END",
        ]

    def _drop(self, schema_editor: BaseDatabaseSchemaEditor) -> list[str]:
        name = f"{self.table}_append_only"
        if schema_editor.connection.vendor == "postgresql":
            return [f"DROP FUNCTION IF EXISTS {name}() CASCADE"]  # with its trigger
        triggers = [f"{name}_{event}" for event in ("update", "delete", "replace")]
        return [
            *(f"DROP TRIGGER IF EXISTS {trigger}" for trigger in triggers),
            f"DROP TABLE IF EXISTS {name}",
        ]


class FixedColumns(AppendOnly):
    """Has the database refuse to change these columns of a table, and to delete its rows.

    For tables whose rows change in their other columns.
    """

    def __init__(self, table: str, columns: Sequence[str]) -> None:
        super().__init__(table)
        self._columns = columns

    @property
    def columns(self) -> Sequence[str]:
        return self._columns

    @property
    def message(self) -> str:
        return (
            f"The table {self.table} keeps its rows: none is deleted, and these columns never"
            f" change: {', '.join(self.columns)}. Nothing was changed."
        )

    def describe(self) -> str:
        return f"Keep the rows of {self.table}, and their {', '.join(self.columns)}"
