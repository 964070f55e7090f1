"""The Accounts page, where AWS accounts get display names."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from findings.models import AccountName, Finding
from findings.tests.findings import finding
from findings.tests.test_events_page import arrive
from license.models import License

pytestmark = pytest.mark.one_database  # pages

ACCOUNT = "123456789012"


def name(client: Client, name: str, account_id: str = ACCOUNT) -> str:
    answer = client.post("/accounts", {"account_id": account_id, "name": name}, follow=True)
    return answer.content.decode()


def test_a_name_stands_wherever_the_account_does(
    operator_client: Client, valid_license: License
) -> None:
    arrive(finding())
    page = name(operator_client, "Production")
    assert re.findall(r"[^<>]*is now named[^<>]*", page) == [f"{ACCOUNT} is now named Production."]
    for path in ("/accounts", "/events", f"/events/{Finding.objects.get().pk}"):
        assert "Production" in operator_client.get(path).content.decode()


def test_a_name_is_replaced_and_taken_away(operator_client: Client, valid_license: License) -> None:
    name(operator_client, "Staging")
    name(operator_client, "Production")
    assert AccountName.objects.get().name == "Production"
    page = name(operator_client, "")
    assert re.findall(r"[^<>]*no longer has[^<>]*", page) == [f"{ACCOUNT} no longer has a name."]
    assert not AccountName.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "account_id"), [("x" * 101, ACCOUNT), ("a\u202eb", ACCOUNT), ("Typed", "12"),
                              ("Typed", "\uff11" * 12), ("a\0b", ACCOUNT)],
)  # fmt: skip
def test_what_is_refused_stays_in_the_form(
    operator_client: Client, valid_license: License, wrong: str, account_id: str
) -> None:
    page = name(operator_client, wrong, account_id)
    assert 'class="errorlist"' in page
    assert f'value="{account_id}"' in page
    assert not AccountName.objects.exists()


def test_changing_a_name_begins_with_the_one_it_has(
    operator_client: Client, valid_license: License
) -> None:
    name(operator_client, "Production")
    page = operator_client.get(f"/accounts?account_id={ACCOUNT}").content.decode()
    [row] = [row for row in page.split("<tr>") if f"account={ACCOUNT}" in row]
    assert 'name="name" value="Production"' in row
    assert page.count('name="name"') == 1
    for unknown in ("%00", "12", "x" * 9000):
        page = operator_client.get(f"/accounts?account_id={unknown}").content.decode()
        assert 'name="name" value=' not in page


def test_an_account_that_a_finding_masks_is_named_too(
    operator_client: Client, valid_license: License
) -> None:
    arrive(finding(accountId="XXXXXXXXXXXX"))
    assert "is now named Masked" in name(operator_client, "Masked", "XXXXXXXXXXXX")
    assert "Masked" in operator_client.get("/events").content.decode()
    Finding.objects.all().delete()
    assert "no longer has a name" in name(operator_client, "", "XXXXXXXXXXXX")


def test_an_empty_post_is_told_what_is_missing(
    operator_client: Client, valid_license: License
) -> None:
    assert 'class="errorlist"' in operator_client.post("/accounts").content.decode()


def test_every_account_is_listed_with_what_came_from_it(
    viewer_client: Client, valid_license: License
) -> None:
    AccountName.objects.create(account_id="999999999999", name="Empty")
    arrive(finding(1), finding(2), finding(3, accountId="210987654321"))
    page = viewer_client.get("/accounts").content.decode()
    order = [page.index(known) for known in (ACCOUNT, "210987654321", "999999999999")]
    assert order == sorted(order)
    assert "Empty" in page


def test_viewers_name_nothing(viewer_client: Client, valid_license: License) -> None:
    assert viewer_client.post("/accounts", {"account_id": ACCOUNT}).status_code == 403
    assert (
        'method="post"' not in viewer_client.get("/accounts").content.decode().partition("<main")[2]
    )


def test_without_a_license_nothing_is_named(
    operator_client: Client, expired_license: License
) -> None:
    assert operator_client.post("/accounts", {"account_id": ACCOUNT}).status_code == 403


def test_who_has_no_role_sees_none(stranger_client: Client) -> None:
    assert stranger_client.get("/accounts").status_code == 403


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("", [1, 2, 3]),
        ("name", [3, 1, 2]),
        ("findings", [2, 1, 3]),
        ("seen", [2, 1, 3]),
        ("x", [1, 2, 3]),
    ],
)
def test_the_accounts_are_sorted_by_each_column(
    viewer_client: Client, sort: str, expected: list[int]
) -> None:
    arrive(
        finding(1, accountId="000000000001"),
        finding(2, accountId="000000000002"),
        finding(
            3,
            accountId="000000000002",
            service={"eventLastSeen": "2026-11-23T11:30:00Z"},
        ),
    )
    AccountName.objects.create(account_id="000000000003", name="archive")
    page = viewer_client.get("/accounts", {"sort": sort}).content.decode()
    found = re.findall(r'<th scope="row"><a[^>]*><code>0+([0-9])</code>', page)
    assert [int(number) for number in found] == expected
