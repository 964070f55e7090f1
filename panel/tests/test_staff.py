"""What staff see beside the lists: search, a day's numbers, and CSV files."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from time_machine import travel

from panel import issuing, numbers, ordering, teams
from panel.models import Customer, Order, Role
from panel.tests.conftest import (
    ACCOUNT,
    BILLING,
    OTHER_ACCOUNT,
    Buy,
    approve,
    browser,
    person,
    start_trial,
)
from panel.tests.test_orders import pay, place

ADMIN = "/panel/admin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def text(client: Client, path: str, query: dict[str, str] | None = None) -> str:
    answer = client.get(path, query)
    assert answer.status_code == 200
    main = answer.content.decode().partition('<main id="content-start"')[2]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main or answer.content.decode()))


def rows(client: Client, path: str) -> list[dict[str, str]]:
    answer: Any = client.get(path)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert "no-store" in answer["Cache-Control"]
    body = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(body)))


def test_one_search_finds_everything(
    alice: Customer, bob: Customer, staff_client: Client, buy: Buy
) -> None:
    approve(alice)
    issuing.start_trial(alice, account_id=ACCOUNT, name="Example Corp", at=timezone.now())
    issued = buy(bob, account=OTHER_ACCOUNT)
    invitation = teams.invite(
        alice, email="tess@example.com", role=Role.TECHNICAL, by=alice.user, at=timezone.now()
    )
    teams.accept(invitation, user=person("tess@example.com"), at=timezone.now())
    order = ordering.place_order(
        alice,
        account_id="432109876543",
        months=1,
        name="Example Corp",
        billing=BILLING,
        at=timezone.now(),
    )
    for query, told in {
        "alice@": "alice@example.com, Example Corp",
        "tess@example": "alice@example.com, Example Corp",
        "example corp": "alice@example.com, Example Corp",
        ACCOUNT: f"AWS account {ACCOUNT} , alice@example.com",
        "432109876543": "alice@example.com, Example Corp",
        OTHER_ACCOUNT: "bob@example.com",
        issued.jti: "bob@example.com",
        str(order.pk): f"Order {order.pk} , AWS account 432109876543",
        "tr-000002": f"Order {order.pk} , AWS account 432109876543, alice@example.com, EUR 117.81",
    }.items():
        found = text(staff_client, f"{ADMIN}/search", {"q": query})
        assert re.sub(r"\s+,", ",", told) in re.sub(r"\s+,", ",", found), query
    assert "bob@" not in text(staff_client, f"{ADMIN}/search", {"q": ACCOUNT})
    assert "Nothing matches" in text(staff_client, f"{ADMIN}/search", {"q": "nobody"})


def test_orders_are_filtered_by_the_status_that_is_shown(
    alice: Customer, staff: User, staff_client: Client
) -> None:
    now = timezone.now()
    done, cancelled, held, _ = (place(alice, account=f"21098765432{n}") for n in range(4))
    pay(done, staff)
    ordering.cancel(cancelled, by=staff, at=now)
    issuing.suspend(alice, by=staff, why="x", at=now)
    pay(held, staff)
    for status in Order.Status:
        listed = rows(staff_client, f"{ADMIN}/panel/order/export.csv?status={status.name.lower()}")
        assert [row["status"] for row in listed] == [status.value]


@pytest.mark.one_database  # files
def test_staff_open_the_pdf_of_any_invoice(alice: Customer, staff_client: Client) -> None:
    invoice = place(alice).invoice
    assert invoice
    link = f"/panel/invoices/{invoice.sequence}/invoice.pdf"
    page = staff_client.get(f"{ADMIN}/panel/invoice/{invoice.pk}/change/").content.decode()
    assert f'href="{link}"' in page
    assert staff_client.get(link).content.startswith(b"%PDF-")


def test_anything_may_be_searched_for(staff_client: Client) -> None:
    for query in ("", " ", "\0", "9" * 40, "%", "'", "x" * 5000, "é"):
        assert staff_client.get(f"{ADMIN}/search", {"q": query}).status_code == 200, query


def test_the_numbers_of_a_day_are_those_of_its_24_hours_in_utc(
    alice: Customer, bob: Customer, staff_client: Client, buy: Buy
) -> None:
    start_trial(alice, at=at("2026-11-22T23:59:59"))
    start_trial(bob, account=OTHER_ACCOUNT, at=at("2026-11-23T00:00:00"))
    buy(bob, account=OTHER_ACCOUNT, at=at("2026-11-23T23:59:59"))  # a conversion
    buy(bob, account=OTHER_ACCOUNT, at=at("2026-11-24T00:00:00"))  # a renewal
    buy(alice, account="432109876543", at=at("2026-11-24T10:00:00"))  # without a trial
    issuing.replace(
        buy(alice, at=at("2026-11-24T11:00:00")),  # a conversion
        by=alice.user,
        why="lost",
        at=at("2026-11-25T00:00:00"),
    )
    told = {day.day.day: day for day in numbers.days(at("2026-11-25T00:00:00").date(), 4)}
    assert list(told) == [25, 24, 23, 22]
    counted = {
        day: (row.trials, row.conversions, row.ordered, row.paid) for day, row in told.items()
    }
    assert counted == {22: (1, 0, 0, 0), 23: (1, 1, 1, 1), 24: (0, 1, 3, 3), 25: (0, 0, 0, 0)}
    with travel(at("2026-11-30T12:00:00")):
        page = text(browser(User.objects.get(is_staff=True)), f"{ADMIN}/numbers?day=2026-11-24")
    assert "2026-11-24 0 1 3 3 2026-11-23 1 1 1 1 2026-11-22 1 0 0 0" in page


def test_what_is_due_and_overdue_is_listed_until_it_is_renewed(
    alice: Customer, bob: Customer, staff: User, buy: Buy
) -> None:
    begins = at("2026-11-23T15:20:11")
    ending = buy(alice, months=1, at=begins)
    buy(bob, at=begins)  # for a year
    start_trial(bob, account=OTHER_ACCOUNT, at=begins)  # a trial is not renewed
    unpaid = ordering.place_order(
        bob, account_id=ACCOUNT, months=1, name="", billing=BILLING, at=begins
    )
    assert list(numbers.renewals_due(begins)) == []
    assert list(numbers.renewals_due(begins + timedelta(days=2))) == [ending]
    assert list(numbers.renewals_overdue(ending.expires_at - timedelta(seconds=1))) == []
    assert list(numbers.renewals_due(ending.expires_at)) == []
    assert list(numbers.renewals_overdue(ending.expires_at)) == [ending]
    assert list(numbers.payments_overdue(begins + timedelta(days=13))) == []
    assert list(numbers.payments_overdue(begins + timedelta(days=14))) == [unpaid]
    with travel(ending.expires_at + timedelta(days=1)):
        page = text(browser(staff), f"{ADMIN}/numbers")
        assert "Renewals overdue: ended in the last 30 days: 1" in page
        assert ending.jti in page
        assert f"Order {unpaid.pk}" in page
    ordering.cancel(unpaid, by=bob.user, at=begins + timedelta(days=14))
    assert list(numbers.payments_overdue(begins + timedelta(days=14))) == []
    buy(alice, months=1, at=ending.expires_at - timedelta(days=1))
    assert list(numbers.renewals_due(ending.expires_at - timedelta(hours=1))) == []
    assert list(numbers.renewals_overdue(ending.expires_at)) == []


@pytest.mark.one_database  # pages
@pytest.mark.parametrize(
    ("day", "told"),
    [
        ("tomorrow", "Enter a date like"),
        ("", "required"),
        ("0001-01-01", "between 2020"),
        ("9999-12-31", "between 2020"),
        ("2026-13-01", "Enter a date like"),
    ],
)
def test_a_wrong_day_is_told(staff_client: Client, day: str, told: str) -> None:
    assert told in text(staff_client, f"{ADMIN}/numbers", {"day": day})


def test_lists_are_downloaded_as_csv(alice: Customer, staff_client: Client, buy: Buy) -> None:
    begins = at("2026-11-23T15:20:11")
    issued = buy(alice, months=1, at=begins)
    start_trial(alice, account=OTHER_ACCOUNT, at=begins)
    with travel(begins + timedelta(days=1)):
        client = browser(User.objects.get(is_staff=True))
        licenses = rows(client, f"{ADMIN}/panel/issuedlicense/export.csv?plan__exact=paid")
        orders = rows(client, f"{ADMIN}/panel/order/export.csv")
        customers = rows(client, f"{ADMIN}/panel/customer/export.csv")
    assert licenses == [
        {
            "license_id": issued.jti,
            "status": "active",
            "customer": "alice@example.com",
            "company": "",
            "aws_account_id": ACCOUNT,
            "plan": "paid",
            "issued_at": "2026-11-23T15:20:11Z",
            "from": "2026-11-23T15:20:11Z",
            "until": "2026-12-24T12:00:00Z",
            "order": str(issued.order_id),
        }
    ]
    assert [(row["status"], row["paid_at"]) for row in orders] == [("done", "2026-11-23T15:20:11Z")]
    assert [row["team"] for row in customers] == ["alice@example.com, Owner"]


@pytest.mark.one_database  # files
def test_a_formula_in_a_company_is_text_in_the_csv(alice: Customer, staff_client: Client) -> None:
    alice.name = "=HYPERLINK(0)"
    alice.save()
    [row] = rows(staff_client, f"{ADMIN}/panel/customer/export.csv")
    assert row["company"] == "'=HYPERLINK(0)"


@pytest.mark.one_database  # files
def test_a_csv_file_takes_few_queries(alice: Customer, staff_client: Client, buy: Buy) -> None:
    for _ in range(5):
        buy(alice)
    for name in ("issuedlicense", "order", "customer"):
        answer: Any = staff_client.get(f"{ADMIN}/panel/{name}/export.csv")
        with CaptureQueriesContext(connection) as queries:
            assert len(list(answer.streaming_content)) >= 2
        assert len(queries) <= 3


@pytest.mark.one_database  # pages
def test_staff_pages_are_for_staff_alone(alice_client: Client, staff: User) -> None:
    paths = ["search?q=a", "numbers", "panel/issuedlicense/export.csv"]
    for path in paths:
        assert alice_client.get(f"{ADMIN}/{path}").status_code in {302, 403}
    staff.groups.clear()
    powerless = browser(staff)
    assert "Nothing matches" in text(powerless, f"{ADMIN}/search", {"q": "sam"})
    for path in paths[1:]:
        assert powerless.get(f"{ADMIN}/{path}").status_code == 403
    answer = powerless.get(f"{ADMIN}/panel/issuedlicense/export.csv?key__regex=^eyJ")
    assert answer.status_code == 403


@pytest.mark.one_database  # files
def test_a_csv_file_takes_the_filters_of_its_list_alone(
    staff_client: Client, alice: Customer, buy: Buy
) -> None:
    buy(alice)
    path = f"{ADMIN}/panel/issuedlicense/export.csv"
    assert staff_client.get(f"{path}?key__regex=^eyJ").status_code == 400
    assert staff_client.get(f"{path}?plan__exact=%00").status_code == 400
