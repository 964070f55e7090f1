"""A migration operation that creates an index while other processes write."""

from __future__ import annotations

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import AddIndex
from django.db.migrations.state import ProjectState


class AddIndexBesideWrites(AddIndex):
    """Adds an index. On PostgreSQL, no write waits for it; on SQLite, all do.

    The migration must have `atomic = False`. It can be killed and repeated: first, drops the index,
    which is invalid on PostgreSQL if it was not finished.
    """

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        name = schema_editor.quote_name(self.index.name)
        if schema_editor.connection.vendor != "postgresql":
            schema_editor.execute(f"DROP INDEX IF EXISTS {name}")
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        with schema_editor.connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('lock_timeout')")
            (lock_timeout,) = cursor.fetchone()
        # It waits for all transactions that began earlier, such as a backup, but nobody for it.
        schema_editor.execute("SET lock_timeout = 0")
        try:
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            create = self.index.create_sql(model, schema_editor, concurrently=True)
            schema_editor.execute(create, params=None)
        finally:
            schema_editor.execute(f"SET lock_timeout = '{lock_timeout}'")
