"""The customer's pages, and what other users cannot see."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from panel import issuing, ordering
from panel.models import Customer, IssuedLicense, Order
from panel.tests.conftest import (
    ACCOUNT,
    BILLING,
    OTHER_ACCOUNT,
    Buy,
    approve,
    browser,
    start_trial,
)
from tests.error_summary import assert_first_and_once

pytestmark = pytest.mark.one_database  # pages

REQUEST = "/panel/request-license"
TRIAL, PAID = f"{REQUEST}?plan=trial", f"{REQUEST}?plan=paid"
ASKED = {"account_id": ACCOUNT, "name": "Example Corp", "months": "12"} | asdict(BILLING)


def text(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def test_a_stranger_who_follows_the_portals_link_comes_back_to_the_filled_form(db: None) -> None:
    client = Client()
    link = f"{REQUEST}?account_id={ACCOUNT}&plan=trial"
    signing_in = client.get(link, follow=True)
    signing_up = re.search(r'href="([^"]*/signup/[^"]*)"', signing_in.content.decode())
    assert signing_up
    client.post(signing_up[1].replace("&amp;", "&"), {"email": "new@example.com"})
    (code,) = re.findall(r"^[A-Z0-9-]{6,}$", str(mail.outbox[0].body), re.MULTILINE)
    back = client.post("/panel/accounts/confirm-email/", {"code": code, "next": link}, follow=True)
    assert f'value="{ACCOUNT}"' in back.content.decode()


def test_signing_up_and_in_tell_nobody_who_is_a_customer(alice: Customer) -> None:
    said = {}
    for email in ("alice@example.com", "nobody@example.com"):
        for path in ("/panel/accounts/signup/", "/panel/accounts/login/code/"):
            answer = Client().post(path, {"email": email}, follow=True)
            page = answer.content.decode().replace(email, "")
            said[path, email] = re.sub(r'name="csrf\w+" value="\w+"', "", page)
    for path in ("/panel/accounts/signup/", "/panel/accounts/login/code/"):
        assert said[path, "alice@example.com"] == said[path, "nobody@example.com"]
    about = [sent.subject for sent in mail.outbox if sent.to == ["alice@example.com"]]
    assert [subject.split("] ")[1] for subject in about] == [
        "You already have an account",
        "Your sign-in code",
    ]


@pytest.mark.parametrize("typed", [ACCOUNT, "2109-8765-4321", " 2109 8765 4321 "])
def test_a_trial_is_shown_at_once(alice: Customer, alice_client: Client, typed: str) -> None:
    approve(alice)
    answer = alice_client.post(TRIAL, {"account_id": typed, "name": "Example"}, follow=True)
    assert answer.redirect_chain[-1][0] == "/panel/licenses"
    assert IssuedLicense.objects.get().key in answer.content.decode()
    assert answer.headers["Cache-Control"].count("no-store") == 1


def test_a_second_trial_is_refused_with_an_offer_and_nobody_is_named(
    alice: Customer, bob: Customer, bob_client: Client
) -> None:
    start_trial(alice)
    approve(bob)
    asked = {"account_id": ACCOUNT, "name": "Bob & Sons"}
    page = bob_client.post(TRIAL, asked).content.decode()
    assert "has already used its trial" in page
    assert f"?plan=paid&amp;account_id={ACCOUNT}" in page
    assert "alice" not in page
    assert 'value="Bob &amp; Sons"' in page  # what was typed stays


@pytest.mark.parametrize(
    ("path", "wrong", "said"),
    [
        (TRIAL, {"account_id": "12345678901"}, "12 digits"),
        (TRIAL, {"account_id": "１２３４５６７８９０１２"}, "12 digits"),  # noqa: RUF001
        (TRIAL, {"account_id": "123456789012"}, "an example from AWS"),
        (PAID, {"account_id": "0000-0000-0000"}, "an example from AWS"),
        (TRIAL, {"account_id": ""}, "Enter the AWS account"),
        (TRIAL, {"account_id": "x" * 5000}, "at most 40"),
        (TRIAL, {"name": "a\u0007b"}, "unprintable characters"),
        (TRIAL, {"name": "x" * 201}, "at most 200"),
        (PAID, {"name": ""}, "Enter the company"),
        (PAID, {"street": "a\u0007b"}, "unprintable characters"),
        (PAID, {"city": "x" * 101}, "at most 100"),
        (PAID, {"country": "XX"}, "valid choice"),
        (PAID, {"vat_id": "DE123456789"}, "not a valid VAT id"),  # wrong check digit
        (PAID, {"country": "AT", "vat_id": "DE136695976"}, "begins with AT"),
        (PAID, {"country": "GR", "vat_id": "GR094259216"}, "begins with EL"),
        (PAID, {"months": ""}, "Choose a term"),
        (PAID, {"months": "6"}, "valid choice"),
        (PAID, {"months": "99999999999999999999"}, "valid choice"),
    ],
)
def test_bad_input_is_told_and_issues_nothing(
    alice_client: Client, path: str, wrong: dict[str, str], said: str
) -> None:
    answer = alice_client.post(path, ASKED | wrong)
    assert answer.status_code == 200
    assert_first_and_once(answer.content, said)
    assert not IssuedLicense.objects.exists()
    assert not Order.objects.exists()


def test_each_license_says_how_it_stands(alice: Customer, alice_client: Client, buy: Buy) -> None:
    assert "no licenses yet" in text(alice_client, "/panel/licenses")
    start_trial(alice)
    paid = buy(alice)
    buy(alice)
    issuing.replace(paid, by=alice.user, why="lost", at=timezone.now())
    page = text(alice_client, "/panel/licenses")
    badges = re.findall(r'class="badge"[^>]*>(\w+)<', page)
    assert sorted(badges) == ["Active", "Active", "Queued", "Replaced"]
    assert paid.key not in page  # what no longer counts cannot be copied
    with time_machine.travel(timezone.now() + timedelta(days=400)):
        page = text(browser(alice.user), "/panel/licenses")
    badges = re.findall(r'class="badge"[^>]*>(\w+)<', page)
    assert sorted(badges) == ["Active", "Expired", "Expired", "Replaced"]


def test_a_customer_reaches_nothing_of_anothers(
    alice: Customer, bob_client: Client, buy: Buy
) -> None:
    issued = buy(alice)
    placed = ordering.place_order(
        alice, account_id=ACCOUNT, months=1, name="", billing=BILLING, at=timezone.now()
    )
    assert issued.key not in text(bob_client, "/panel/licenses")
    for path in (
        f"/panel/licenses/{issued.jti}/key.txt",
        f"/panel/licenses/{issued.jti}/replace",
        f"/panel/orders/{placed.pk}",
    ):
        assert bob_client.get(path).status_code == 404
    assert bob_client.post(f"/panel/licenses/{issued.jti}/replace", {"why": "x"}).status_code == 404
    assert bob_client.post(f"/panel/orders/{placed.pk}/pay").status_code == 404
    assert IssuedLicense.objects.count() == 1


@pytest.mark.parametrize(
    "path",
    [
        "/panel/",
        "/panel/licenses",
        TRIAL,
        "/panel/licenses/c0ffee00-0000-4000-8000-000000000000/key.txt",
        "/panel/licenses/c0ffee00-0000-4000-8000-000000000000/replace",
        "/panel/orders/1",
        "/panel/admin/",
    ],
)
def test_a_stranger_is_asked_to_sign_in(db: None, path: str) -> None:
    answer = Client().get(path)
    assert answer.status_code == 302
    assert "login" in answer.headers["Location"]


def test_a_key_is_downloaded_as_a_file(alice: Customer, alice_client: Client) -> None:
    issued = start_trial(alice)
    answer = alice_client.get(f"/panel/licenses/{issued.jti}/key.txt")
    assert answer.content.decode().strip() == issued.key
    assert "attachment" in answer.headers["Content-Disposition"]
    assert "no-store" in answer.headers["Cache-Control"]


def test_an_owner_replaces_a_key_with_a_reason_and_for_the_same_account_alone(
    alice: Customer, alice_client: Client, buy: Buy
) -> None:
    issued = buy(alice)
    path = f"/panel/licenses/{issued.jti}/replace"
    assert "Enter a reason" in alice_client.post(path, {"why": " "}).content.decode()
    assert IssuedLicense.objects.count() == 1
    answer = alice_client.post(path, {"why": "leaked", "account_id": OTHER_ACCOUNT}, follow=True)
    assert "Here is the new key" in answer.content.decode()
    assert issued.replacement.aws_account_id == ACCOUNT
    again = alice_client.post(path, {"why": "leaked"}).content.decode()
    assert "already revoked" in again
    assert re.search(r">\s*leaked</textarea>", again)


def test_a_suspended_customer_is_told_and_keeps_what_they_have(
    alice: Customer, alice_client: Client, buy: Buy, staff: object
) -> None:
    issued = buy(alice)
    issuing.suspend(alice, by=issued.customer.user, why="declined", at=timezone.now())
    page = text(alice_client, "/panel/licenses")
    assert "Reason: declined" in page
    assert not re.search(r">(Renew|Request a replacement)<", page)  # it would be refused
    answer = alice_client.post(PAID, ASKED)
    assert "account is on hold" in answer.content.decode()
    assert alice_client.get(f"/panel/licenses/{issued.jti}/key.txt").status_code == 200


def test_requests_are_limited(alice_client: Client) -> None:
    asked = {"account_id": "1", "name": ""}
    statuses = [alice_client.post(TRIAL, asked).status_code for _ in range(21)]
    assert statuses == [200] * 20 + [429]


def test_a_key_that_cannot_sign_is_told_and_the_form_can_be_sent_again(
    alice: Customer, alice_client: Client, settings: Settings
) -> None:
    approve(alice)
    settings.LICENSE_SIGNING_KEY = "kms:nothing-there"
    alice_client.raise_request_exception = False
    answer = alice_client.post(TRIAL, {"account_id": ACCOUNT, "name": ""})
    assert answer.status_code == 503
    assert "Nothing was changed" in answer.content.decode()
    assert not IssuedLicense.objects.exists()


def test_a_body_that_is_too_large_is_refused(alice_client: Client) -> None:
    answer = alice_client.post(TRIAL, {"account_id": ACCOUNT, "name": "x" * 2_000_000})
    assert answer.status_code == 413
    assert "1 MiB" in answer.content.decode()


def test_no_page_takes_a_write_without_its_csrf_token(alice: Customer) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice.user, "allauth.account.auth_backends.AuthenticationBackend")
    answer = client.post(TRIAL, {"account_id": ACCOUNT, "name": ""})
    assert answer.status_code == 403
    assert "Nothing was changed" in answer.content.decode()
    assert not IssuedLicense.objects.exists()


def test_every_page_carries_the_headers_that_protect_it(alice_client: Client) -> None:
    headers = alice_client.get("/panel/licenses").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
