from __future__ import annotations

from collections.abc import Callable

import pytest

from license.models import License
from storage.append_only import AppendOnlyError

pytestmark = pytest.mark.django_db


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


@pytest.mark.parametrize("name", TRIES)
def test_the_history_is_not_rewritten(valid_license: License, name: str) -> None:
    with pytest.raises(AppendOnlyError, match="append-only"):
        TRIES[name]()
    assert License.objects.get().jti == valid_license.jti


def test_a_row_with_a_known_primary_key_is_not_overwritten(valid_license: License) -> None:
    with pytest.raises(Exception, match=r"(?i)unique"):
        _overwrite_by_primary_key()
