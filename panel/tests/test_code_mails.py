"""Requesting codes for another person neither floods them with mail nor locks them out."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import Client
from pytest_django.fixtures import Settings
from time_machine import Traveller

from panel.models import Customer
from panel.tests.signing_in import (
    LOGIN,
    ask_for_code,
    enter,
    is_signed_in,
    mailed_codes,
    sign_in,
)

pytestmark = pytest.mark.one_database  # mail and limits

ALICE, NOBODY = "alice@example.com", "nobody@example.com"
SIGN_UP = "/panel/accounts/signup/"
MINUTE = 60
STRANGER = Client()


@pytest.fixture
def _anywhere(settings: Settings) -> None:
    """Simulates an attacker with any number of addresses."""
    unlimited = {"request_login_code": "", "signup": ""}
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | unlimited


def stranger_asks(email: str, path: str = LOGIN) -> None:
    """Requests a code without cookies."""
    STRANGER.cookies.clear()
    STRANGER.post(path, {"email": email})


@pytest.mark.usefixtures("_anywhere")
@pytest.mark.parametrize("email", [ALICE, NOBODY])
@pytest.mark.parametrize("path", [LOGIN, SIGN_UP])
def test_an_address_is_mailed_ever_more_slowly(
    alice: Customer, clock: Traveller, email: str, path: str
) -> None:
    mailed_after = []
    for minute in range(62):
        before = len(mail.outbox)
        for _ in range(2):
            stranger_asks(email, path)
        new = [message.subject for message in mail.outbox[before:]]
        if new:
            assert len(new) == len(set(new))  # a code, and that they have an account already
            mailed_after.append(minute)
        clock.shift(MINUTE)
    assert mailed_after == [0, 1, 3, 7, 15, 30, 45, 60]


@pytest.mark.usefixtures("_anywhere")
def test_a_stranger_who_asks_all_the_time_locks_nobody_out(
    alice: Customer, clock: Traveller
) -> None:
    """Whenever Alice requests a code, the latest email that she has contains a valid one."""
    for minute in range(50):
        for _ in range(3):
            stranger_asks(ALICE)
        if minute % 7 == 5:
            browser = Client()
            ask_for_code(browser, ALICE)
            clock.shift(14 * MINUTE)  # she takes her time, and the stranger does not
            stranger_asks(ALICE)
            enter(browser, mailed_codes()[-1])
            assert is_signed_in(browser), minute
        clock.shift(MINUTE)


@pytest.mark.usefixtures("_anywhere")
def test_ones_own_code_stays_good_when_a_stranger_has_another_one_mailed(
    alice: Customer, client: Client, clock: Traveller
) -> None:
    ask_for_code(client, ALICE)
    own = mailed_codes()[-1]
    for _ in range(5):
        clock.shift(2 * MINUTE)
        stranger_asks(ALICE)
    assert mailed_codes()[-1] != own
    enter(client, own)
    assert is_signed_in(client)


@pytest.mark.every_database  # rows that are deleted
def test_a_code_is_good_once_and_the_others_end_with_it(alice: Customer, clock: Traveller) -> None:
    browsers = [Client() for _ in range(3)]
    for browser in browsers:
        ask_for_code(browser, ALICE)
        clock.shift(MINUTE / 2)
    codes = mailed_codes()
    assert len(codes) == 2
    enter(browsers[2], codes[0])
    assert is_signed_in(browsers[2])
    for code in codes:
        enter(browsers[0], code)
    assert not is_signed_in(browsers[0])
    other = Client()
    sign_in(other, ALICE)  # and there is no wait after it
    assert is_signed_in(other)


def test_a_code_ends_after_half_an_hour(alice: Customer, client: Client, clock: Traveller) -> None:
    stranger_asks(ALICE)
    clock.shift(31 * MINUTE)
    old = mailed_codes()[-1]
    ask_for_code(client, ALICE)
    enter(client, old)
    assert not is_signed_in(client)


def test_a_code_is_good_for_its_own_address_alone(
    alice: Customer, bob: Customer, client: Client
) -> None:
    stranger_asks(ALICE)
    code = mailed_codes()[-1]
    for email in ("bob@example.com", NOBODY):
        ask_for_code(client, email)
        enter(client, code)
        assert not is_signed_in(client)


@pytest.mark.every_database  # a constraint
@pytest.mark.usefixtures("_anywhere")
def test_somebody_signs_up_while_a_stranger_asks_for_their_codes(
    db: None, client: Client, clock: Traveller
) -> None:
    for _ in range(5):
        stranger_asks(NOBODY)
        Client().post(SIGN_UP, {"email": NOBODY})
        clock.shift(MINUTE)
    Client().post(SIGN_UP, {"email": NOBODY})
    ask_for_code(client, NOBODY)  # as the mail says that they have an account already
    enter(client, mailed_codes()[-1])
    assert is_signed_in(client)


@pytest.mark.usefixtures("_anywhere")
def test_whether_mail_was_sent_tells_nobody_who_is_a_customer(alice: Customer) -> None:
    said: dict[str, set[str]] = {ALICE: set(), NOBODY: set()}
    for email, pages in said.items():
        for _ in range(3):
            page = ask_for_code(Client(), email).content.decode().replace(email, "")
            pages.add(re.sub(r'name="csrf\w+" value="\w+"', "", page))
    assert said[ALICE] == said[NOBODY]
    assert len(said[ALICE]) == 1


def test_one_client_address_asks_ten_times_a_minute_at_most(db: None) -> None:
    for number in range(20):
        stranger_asks(f"somebody{number}@example.com")
    assert len(mail.outbox) == 10


def test_a_mail_that_could_not_be_sent_makes_nobody_wait(
    alice: Customer, settings: Settings, client: Client
) -> None:
    working = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    client.raise_request_exception = False
    assert ask_for_code(client, ALICE).status_code == 503
    settings.EMAIL_BACKEND = working
    sign_in(client, ALICE)
    assert is_signed_in(client)
