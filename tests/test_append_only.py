from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.db.models import Model

from license.models import License
from storage.append_only import AppendOnlyError
from tests.kept_rows import answers, kept_models, left_behind, operations

# The state of an action moves forward.
FREE = {
    "actions_reaction": {
        "state",
        "outcome",
        "due_at",
        "started_at",
        "settled_at",
        "ends_at",
        "lifts_at",
    }
}


@pytest.mark.parametrize("model", kept_models())
@pytest.mark.usefixtures("django_db_setup")  # and no transaction, which would hold SQLite's lock
def test_the_database_itself_keeps_the_rows(model: type[Model]) -> None:
    table = model._meta.db_table
    for statement, answer in answers(model, free=FREE.get(table, ())).items():
        assert f"The table {table} " in answer, statement
        assert "Nothing was changed." in answer, statement


@pytest.mark.django_db(transaction=True)
def test_the_triggers_go_and_come_back_with_their_migrations() -> None:
    added = left_behind()
    try:
        for operation in operations():
            with connection.schema_editor() as editor:
                operation.drop(editor)
        assert left_behind() == []
    finally:
        for operation in operations():
            with connection.schema_editor() as editor:
                operation.drop(editor)
                operation.create(editor)
    assert sorted(left_behind()) == sorted(added) != []


def _save() -> None:
    row = License.objects.get()
    row.jti = "changed"
    row.save()


def _overwrite_by_primary_key() -> None:
    row = License.objects.get()
    License(
        pk=row.pk,
        key="x",
        jti="changed",
        plan_untrusted="paid",
        expires_at_untrusted=row.installed_at,
        installed_at=row.installed_at,
        source="page",
    ).save()


TRIES: dict[str, Callable[[], object]] = {
    "save": _save,
    "delete": lambda: License.objects.get().delete(),
    "delete by the base manager": lambda: License._base_manager.all().delete(),
    "delete of many": lambda: License.objects.all().delete(),
    "update": lambda: License.objects.update(jti="changed"),
    "bulk_update": lambda: License.objects.bulk_update(License.objects.all(), ["jti"]),
    "update_or_create": lambda: License.objects.update_or_create(source="command"),
    "bulk_create over": lambda: License.objects.bulk_create(
        License.objects.all(),
        update_conflicts=True,
        update_fields=["jti"],
        unique_fields=["id"],
    ),
    "bulk_create over, by position": lambda: License.objects.bulk_create(
        License.objects.all(), None, False, True, ["jti"], ["id"]
    ),
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", TRIES)
def test_the_history_is_not_rewritten(valid_license: License, name: str) -> None:
    with pytest.raises(AppendOnlyError, match="append-only"):
        TRIES[name]()
    assert License.objects.get().jti == valid_license.jti


@pytest.mark.django_db
def test_a_row_with_a_known_primary_key_is_not_overwritten(valid_license: License) -> None:
    with pytest.raises(Exception, match=r"(?i)unique"):
        _overwrite_by_primary_key()
