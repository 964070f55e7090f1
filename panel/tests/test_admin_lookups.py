"""The lists of the panel's admin accept only their own filters."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from license.tests.lookups import admins, taken
from panel.models import Customer
from panel.tests.conftest import Buy, browser
from storage.admin_filters import OwnFiltersOnly

LISTS = {
    "/panel/admin/panel/issuedlicense/": "key__regex",
    "/panel/admin/panel/order/": "license__key__regex",
    "/panel/admin/panel/customer/": "issuedlicense__key__startswith",
    "/panel/admin/panel/act/": "license__key__regex",
    "/panel/admin/panel/invoice/": "order__license__key__regex",
    "/panel/admin/panel/outgoingmail/": "invoice__order__license__key__regex",
    "/panel/admin/auth/user/": "customer__issuedlicense__key__regex",
}
# Together, these two have each kind of filter: choice, number, status and search.
ON_BOTH = list(LISTS)[:2]
ON_ONE = [pytest.param(path, marks=pytest.mark.one_database) for path in list(LISTS)[2:6]]


@pytest.mark.one_database  # what the lists say of themselves
def test_every_list_takes_the_parameters_of_its_own_filters_alone(db: None) -> None:
    assert {admin.model._meta.label: taken(admin) for admin in admins()} == {
        "panel.IssuedLicense": {"plan__exact", "plan__isnull"},
        "panel.Order": {"months__exact", "months__isnull"},  # and status, no lookup
        "panel.Customer": {"is_suspended__exact", "is_suspended__isnull"},
        "panel.Act": {"kind__exact", "kind__isnull"},
        "panel.Invoice": set(),
        "panel.OutgoingMail": set(),  # but status, no lookup
        "auth.User": {
            *(f"{name}__exact" for name in ("is_staff", "is_superuser", "is_active")),
            *(f"{name}__isnull" for name in ("is_staff", "is_superuser", "is_active", "groups")),
            "groups__id__exact",
        },
    }


def test_every_admin_is_closed() -> None:
    assert [admin for admin in admins() if not isinstance(admin, OwnFiltersOnly)] == []


@pytest.mark.one_database  # refused before a query
@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("value", ["^eyJ", "^(([A-Za-z0-9_.-])+)+!$", "(", "\0"])
def test_no_key_is_told(alice: Customer, buy: Buy, path: str, value: str) -> None:
    buy(alice)
    root = browser(User.objects.create_superuser("root", "root@vendor.example"))
    assert root.get(path).status_code == 200
    assert root.get(path, {LISTS[path]: value}).status_code == 400


@pytest.mark.parametrize("path", [*ON_BOTH, *ON_ONE])
def test_what_is_searched_for_may_be_anything(staff_client: Client, path: str) -> None:
    for value in ("(", "\0", "%", "9" * 40):
        for name in ("q", "o", "p", "status", "plan__exact", "months__exact"):
            answer = staff_client.get(path, {name: value})
            assert answer.status_code in {200, 302, 400}, (name, value)
