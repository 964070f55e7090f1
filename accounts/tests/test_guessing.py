"""Password guessing is rate limited on every path, without locking users out."""

from __future__ import annotations

import base64
import re
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from pytest_django.fixtures import Settings
from time_machine import Traveller, travel

from accounts.tests.browser import PASSWORD, is_signed_in, sign_in
from accounts.tests.test_oauth_token import make_client
from accounts.tests.test_second_factor import enrol
from license.tests import keys
from tests.at_once import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # counts in Python

HOME, OFFICE, ELSEWHERE = "192.0.2.1", "192.0.2.2", "198.51.100.1"


def guess(address: str, login: str = "vera", **environ: Any) -> bool:
    """Whether the password was checked, not rejected by the rate limit."""
    answer = sign_in(Client(REMOTE_ADDR=address, **environ), login, "not it")
    return answer.status_code == 200 and "Too many failed" not in answer.content.decode()


def gets_in(address: str, login: str = "vera") -> bool:
    client = Client(REMOTE_ADDR=address)
    sign_in(client, login)
    return is_signed_in(client)


def test_another_port_in_host_is_no_new_start(viewer: User) -> None:
    validated = [guess(ELSEWHERE, HTTP_HOST=f"testserver:{8000 + number}") for number in range(20)]
    assert sum(validated) == 5


@pytest.mark.every_database  # names regardless of case
@pytest.mark.parametrize(
    "logins", [["vera", "VERA", "vera@example.com", "Vera@Example.com", " vera "]]
)
def test_every_way_to_write_the_login_counts_for_the_account(
    viewer: User, logins: list[str]
) -> None:
    validated = [guess(ELSEWHERE, logins[number % len(logins)]) for number in range(12)]
    assert sum(validated) <= 2 * 5  # "VERA" is no user's name; it counts for itself
    assert not guess(ELSEWHERE, "vera@example.com")


def test_a_stranger_elsewhere_locks_nobody_out(viewer: User) -> None:
    assert [guess(ELSEWHERE) for _ in range(6)] == [True] * 5 + [False]
    assert gets_in(HOME)
    assert not gets_in(ELSEWHERE)


def test_a_minute_later_it_goes_on(viewer: User) -> None:
    with travel(keys.now(), tick=False) as clock:
        for _ in range(6):
            guess(HOME)
        assert not gets_in(HOME)
        clock.shift(61)
        assert gets_in(HOME)


def told(answer: Any) -> str:
    """Returns the wait that a page names."""
    found = re.search(r"Try again in (\d+ \w+)\.", answer.content.decode())
    return found[1] if found else ""


def test_the_wait_is_told_on_every_page_that_slows_down(viewer: User) -> None:
    with travel(keys.now(), tick=False) as clock:
        browser = Client(REMOTE_ADDR=HOME)
        for _ in range(5):
            sign_in(browser, "vera", "not it")
        clock.shift(20)
        assert told(sign_in(browser, "vera")) == "40 seconds"
        clock.shift(39)
        assert told(sign_in(browser, "vera")) == "1 second"
        for _ in range(15):  # until the limit per hour applies
            clock.shift(61)
            sign_in(browser, "vera", "not it")
        assert told(sign_in(browser, "vera")) == "44 minutes"
        assert not gets_in(HOME)
        clock.shift(44 * 60)
        assert gets_in(HOME)

        for _ in range(6):
            reset = browser.post("/accounts/password/reset/", {"email": viewer.email})
        assert (reset.status_code, reset["Retry-After"]) == (429, "60")
        assert told(reset) == "60 seconds"


def test_the_wait_is_told_for_a_second_factor(viewer: User, viewer_client: Client) -> None:
    enrol(viewer_client)
    browser = Client(REMOTE_ADDR=HOME)
    with travel(keys.now(), tick=False) as clock:
        sign_in(browser, "vera")
        for _ in range(5):
            browser.post("/accounts/2fa/authenticate/", {"code": "000000"})
        clock.shift(10)
        assert told(browser.post("/accounts/2fa/authenticate/", {"code": "000000"})) == "50 seconds"


def from_everywhere(clock: Traveller) -> int:
    """Guesses from new addresses within an hour; returns how many were checked."""
    validated = 0
    for number in range(60):
        validated += guess(f"203.0.113.{number}")
        clock.shift(1)
    return validated


def test_guesses_from_everywhere_are_slowed_down_but_not_where_the_person_is_known(
    viewer: User,
) -> None:
    with travel(keys.now(), tick=False) as clock:
        assert gets_in(HOME)
        clock.shift(24 * 60 * 60)
        assert from_everywhere(clock) == 30
        assert not gets_in(OFFICE)
        assert gets_in(HOME)
        clock.shift(60 * 60)
        assert gets_in(OFFICE)


def test_addresses_of_one_network_count_together(viewer: User) -> None:
    validated = [guess(f"2001:db8::{number:x}") for number in range(1, 20)]
    assert sum(validated) == 5


def test_ipv4_addresses_written_as_ipv6_do_not_count_together(viewer: User) -> None:
    for number in range(12):
        guess(f"::ffff:203.0.113.{number}")
    assert guess("::ffff:198.51.100.1")
    assert [guess("::ffff:192.0.2.9") for _ in range(6)] == [True] * 5 + [False]
    assert not guess("192.0.2.9")


@pytest.mark.every_database  # rows that are deleted
def test_no_number_of_other_counts_makes_a_count_forgotten(viewer: User) -> None:
    for _ in range(6):
        guess(ELSEWHERE)
    for number in range(500):  # Django's own limit is 300, and what sorts first goes first
        cache.set(f"zzz-{number}", [1.0], 3600)
    assert not guess(ELSEWHERE)


def test_a_passkey_is_not_slowed_down_by_guesses(viewer: User) -> None:
    client = Client(REMOTE_ADDR=HOME)
    for _ in range(12):
        guess(HOME)
    asked = client.get("/accounts/2fa/webauthn/login/", headers={"accept": "application/json"})
    assert asked.status_code == 200
    tried = client.post("/accounts/2fa/webauthn/login/", {"credential": "{}"}, follow=True)
    assert "Too many" not in tried.content.decode()


@pytest.mark.every_database  # two at once
@pytest.mark.django_db(transaction=True)
def test_guesses_at_once_count_each(viewer: User) -> None:
    validated = at_once(*[partial(guess, ELSEWHERE) for _ in range(12)])
    assert sum(validated) <= 5


class CountingHasher(MD5PasswordHasher):
    count = 0

    def encode(self, password: str, salt: str) -> str:
        CountingHasher.count += 1
        return super().encode(password, salt)


@pytest.mark.parametrize("domain", ["", "@example.com"])
@pytest.mark.parametrize("name", ["vera", "nobody", "ivan", "sso"])
def test_each_attempt_costs_one_hash(
    viewer: User, settings: Settings, client: Client, name: str, domain: str
) -> None:
    """The response time must not disclose whether the account exists."""
    User.objects.create_user("ivan", "ivan@example.com", PASSWORD, is_active=False)
    User.objects.create_user("sso", "sso@example.com")  # has no password
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    CountingHasher.count = 0
    assert sign_in(client, name + domain, "not it").status_code == 200
    assert CountingHasher.count == 1


@pytest.mark.parametrize("way", ["basic", "body"])
@pytest.mark.parametrize("secret", ["wrong", ""])
@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke"])
def test_a_wrong_secret_costs_one_hash_whether_or_not_the_client_exists(
    settings: Settings, client: Client, path: str, is_known: bool, secret: str, way: str
) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    client_id, _ = make_client("findings:read")
    CountingHasher.count = 0
    client_id = client_id if is_known else "nobody"
    sent = {"grant_type": "client_credentials", "token": "x"}
    headers = {}
    if way == "basic":
        encoded = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
        headers = {"Authorization": f"Basic {encoded}"}
    else:
        sent |= {"client_id": client_id, "client_secret": secret}
    assert client.post(path, sent, headers=headers).status_code == 401
    assert CountingHasher.count == bool(secret)
