"""The Django admin, as the vendor's staff use it."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.db.models import Model
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings
from time_machine import travel

from panel import issuing, ordering
from panel.models import Act, Customer, IssuedLicense, Order
from panel.tests.conftest import ACCOUNT, BILLING, OTHER_ACCOUNT, Buy, browser, person, start_trial
from tests.test_secrets import traces

pytestmark = pytest.mark.one_database  # pages

ADMIN = "/panel/admin/panel"
TABLES = ["issuedlicense", "order", "customer", "act"]
# Each action, and what the journal calls it.
ACTS = {
    "revoke": Act.Kind.REVOKED,
    "replace": Act.Kind.REPLACED,
    "mark_paid": Act.Kind.PAID,
    "suspend": Act.Kind.SUSPENDED,
    "reinstate": Act.Kind.REINSTATED,
}


def act(client: Client, action: str, *rows: Model, **said: str) -> str:
    """Runs an admin action on rows; with a reason, confirms it."""
    table = rows[0]._meta.model_name
    chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
    answer = client.post(
        f"{ADMIN}/{table}/", chosen | ({"confirmed": "yes", **said} if said else {}), follow=True
    )
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.fixture
def row(request: pytest.FixtureRequest, alice: Customer, staff: User, buy: Buy) -> Model:
    """A row that the test's action applies to."""
    action = request.getfixturevalue("action")
    if action in {"revoke", "replace"}:
        return buy(alice)
    if action == "mark_paid":
        now = timezone.now()
        return ordering.place_order(
            alice, account_id=ACCOUNT, months=12, name="", billing=BILLING, at=now
        )
    if action == "reinstate":
        issuing.suspend(alice, by=staff, why="card declined", at=timezone.now())
    return alice


@pytest.fixture
def order(alice: Customer) -> Order:
    return ordering.place_order(
        alice, account_id=ACCOUNT, months=12, name="", billing=BILLING, at=timezone.now()
    )


@pytest.mark.every_database  # queries
def test_a_license_is_found_by_email_account_or_id(
    alice: Customer, bob: Customer, staff_client: Client, buy: Buy
) -> None:
    issued = buy(alice)
    other = buy(bob, account=OTHER_ACCOUNT)
    for words in ("alice@example.com", ACCOUNT, str(issued.jti)):
        page = staff_client.get(f"{ADMIN}/issuedlicense/", {"q": words}).content.decode()
        # The rows' links: the words themselves stand in the search box too.
        assert f"/issuedlicense/{issued.pk}/change/" in page, words
        assert f"/issuedlicense/{other.pk}/change/" not in page, words


def test_a_key_is_shown_masked(alice: Customer, staff_client: Client) -> None:
    issued = start_trial(alice)
    listed = staff_client.get(f"{ADMIN}/issuedlicense/").content.decode()
    page = staff_client.get(f"{ADMIN}/issuedlicense/{issued.pk}/change/").content.decode()
    assert issued.masked_key in page
    assert traces(issued.key, listed + page) == []


@pytest.mark.every_database  # locks
@pytest.mark.parametrize("action", ACTS)
def test_an_action_asks_for_a_reason_and_is_kept_with_who_when_and_why(
    staff: User, staff_client: Client, action: str, row: Model
) -> None:
    before = Act.objects.count()
    page = act(staff_client, action, row)
    assert "Enter a reason" not in page  # nobody has said anything yet
    assert "Enter a reason" in act(staff_client, action, row, why=" ")
    assert Act.objects.count() == before
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))
    now = timezone.now()
    with travel(now, tick=False):
        path = f"{ADMIN}/{row._meta.model_name}/"
        page = staff_client.post(path, form | {"why": "ticket 9"}, follow=True).content.decode()
    assert f"Done: {row}." in page
    done = Act.objects.get(kind=ACTS[action], why="ticket 9")
    assert (done.by, done.at) == (staff, now)


@pytest.mark.parametrize("table", TABLES)
def test_nothing_is_edited_added_or_deleted(
    alice: Customer, buy: Buy, staff_client: Client, table: str
) -> None:
    buy(alice)
    listed = staff_client.get(f"{ADMIN}/{table}/").content.decode()
    found = re.search(rf"/admin/panel/{table}/(\d+)/change/", listed)
    assert found
    page = staff_client.get(f"{ADMIN}/{table}/{found[1]}/change/")
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()
    for path in (f"{found[1]}/change/", f"{found[1]}/delete/", "add/"):
        assert staff_client.post(f"{ADMIN}/{table}/{path}", {"post": "yes"}).status_code == 403
    assert "delete_selected" not in listed


@pytest.mark.every_database  # from the payment to the key
def test_an_order_is_marked_paid_with_a_reason_and_issues_once(
    order: Order, staff: User, staff_client: Client
) -> None:
    assert "Stored in the journal with the date and your name" in act(
        staff_client, "mark_paid", order
    )
    refused = act(staff_client, "mark_paid", order, why=" ")
    assert "Enter a reason" in refused
    assert not IssuedLicense.objects.exists()
    for _ in range(2):
        assert f"Done: {order}." in act(staff_client, "mark_paid", order, why="invoice 7")
    assert IssuedLicense.objects.get().order == order
    paid = Act.objects.get(kind=Act.Kind.PAID)
    assert (paid.by, paid.why) == (staff, "invoice 7")
    assert "invoice 7" in staff_client.get(f"{ADMIN}/act/").content.decode()


@pytest.mark.every_database  # locks
def test_a_license_is_revoked_and_another_one_that_was_already_does_not_stop_it(
    alice: Customer, staff: User, staff_client: Client, buy: Buy
) -> None:
    first, second = buy(alice), buy(alice)
    issuing.revoke(second, by=staff, why="fraud", at=timezone.now())  # the list begins with it
    page = act(staff_client, "revoke", first, second, why="fraud again")
    assert f"Refused: {second.jti}: The license {second.jti} is already revoked" in page
    assert f"Done: {first.jti}." in page
    assert Act.objects.get(kind=Act.Kind.REVOKED, why="fraud again").license == first


def test_a_key_that_cannot_sign_is_told_and_nothing_is_replaced(
    alice: Customer, staff_client: Client, settings: Settings
) -> None:
    issued = start_trial(alice)
    settings.LICENSE_SIGNING_KEY = "/nowhere/signing-key.pem"
    assert f"Refused: {issued.jti}" in act(staff_client, "replace", issued, why="leaked")
    assert not IssuedLicense.objects.get().is_revoked


def test_a_license_is_moved_to_another_account(
    alice: Customer, staff_client: Client, buy: Buy
) -> None:
    issued = buy(alice)
    said = {"why": "new account", "account_id": "2109-8765-432"}
    page = act(staff_client, "replace", issued, **said)
    assert "12 digits" in page
    assert "2109-8765-432" in page  # what was typed stays
    assert re.search(r">\s*new account</textarea>", page)
    assert IssuedLicense.objects.count() == 1
    act(staff_client, "replace", issued, why="new account", account_id="3210-9876-5432")
    assert issued.replacement.aws_account_id == OTHER_ACCOUNT


def test_a_customer_is_suspended_and_reinstated(
    alice: Customer, order: Order, staff_client: Client
) -> None:
    act(staff_client, "suspend", alice, why="card declined")
    page = act(staff_client, "mark_paid", order, why="invoice 7")
    assert "the customer is suspended; no license was issued" in page
    assert "is already suspended" in act(staff_client, "suspend", alice, why="again")
    act(staff_client, "reinstate", alice, why="paid")
    assert IssuedLicense.objects.get().order == order
    reasons = Act.objects.filter(customer=alice, order=None, license=None).order_by("pk")
    assert [(one.kind, one.why) for one in reasons] == [
        ("suspended", "card declined"),
        ("reinstated", "paid"),
    ]


@pytest.mark.parametrize("action", ACTS)
def test_who_lacks_the_permission_is_offered_no_action_and_forces_none(
    action: str, row: Model
) -> None:
    reader = person("rita@vendor.example")
    reader.is_staff = True
    reader.save()
    path = f"{ADMIN}/{row._meta.model_name}/"
    by_hand = {"action": action, "_selected_action": row.pk, "confirmed": "yes", "why": "by hand"}
    assert browser(reader).get(path).status_code == 403
    assert browser(reader).post(path, by_hand).status_code == 403
    reader.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    assert f'value="{action}"' not in browser(reader).get(path).content.decode()
    act(browser(reader), action, row, why="by hand")
    assert not Act.objects.filter(why="by hand").exists()


def test_customers_have_no_business_here(alice_client: Client) -> None:
    for path in ("/panel/admin/", f"{ADMIN}/order/"):
        answer = alice_client.get(path, follow=True)
        assert answer.status_code == 403
        assert "Staff only" in answer.content.decode()


def test_createstaff_makes_somebody_who_may_act(db: None, order: Order) -> None:
    call_command("createstaff", "Tina@Vendor.Example")
    call_command("createstaff", "tina@vendor.example")  # again, and it is the same person
    tina = User.objects.get(email="tina@vendor.example")
    assert f"Done: {order}." in act(browser(tina), "mark_paid", order, why="invoice 9")
    with pytest.raises(CommandError, match="is not an email address"):
        call_command("createstaff", "tina")


def test_a_customer_who_becomes_staff_keeps_their_licenses(alice: Customer) -> None:
    start_trial(alice)
    call_command("createstaff", "alice@example.com")
    alice.user.refresh_from_db()
    assert "Administration" in browser(alice.user).get("/panel/licenses").content.decode()
    assert IssuedLicense.objects.get().customer == alice
