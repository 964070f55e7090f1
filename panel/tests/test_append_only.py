"""The database itself keeps the journal and issued licenses append-only."""

from __future__ import annotations

import pytest
from django.db.models import Model

from tests.kept_rows import answers, kept_models


@pytest.mark.parametrize("model", kept_models())
@pytest.mark.usefixtures("django_db_setup")  # and no transaction, which would hold SQLite's lock
def test_the_database_itself_keeps_the_rows(model: type[Model]) -> None:
    for statement, answer in answers(model).items():
        assert f"The table {model._meta.db_table} is append-only" in answer, statement
