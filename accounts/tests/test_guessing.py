"""Guesses are slowed down, by whatever way they come; nobody is locked out by them."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings
from time_machine import Traveller, travel

from accounts.tests.browser import PASSWORD, is_signed_in, sign_in
from license.tests import keys
from tests.at_once import at_once

pytestmark = pytest.mark.django_db

HOME, OFFICE, ELSEWHERE = "192.0.2.1", "192.0.2.2", "198.51.100.1"


def guess(address: str, login: str = "vera", **environ: Any) -> bool:
    """Whether the guess was validated: a refusal without a look at the password is none."""
    answer = sign_in(Client(REMOTE_ADDR=address, **environ), login, "not it")
    return answer.status_code == 200 and "Too many failed" not in answer.content.decode()


def gets_in(address: str, login: str = "vera") -> bool:
    client = Client(REMOTE_ADDR=address)
    sign_in(client, login)
    return is_signed_in(client)


def test_another_port_in_host_is_no_new_start(viewer: User) -> None:
    validated = [guess(ELSEWHERE, HTTP_HOST=f"testserver:{8000 + number}") for number in range(20)]
    assert sum(validated) == 5


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


def from_everywhere(clock: Traveller) -> int:
    """Guesses from ever new addresses within an hour; how many were validated."""
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
    """So the time of the answer does not tell whether the account exists."""
    User.objects.create_user("ivan", "ivan@example.com", PASSWORD, is_active=False)
    User.objects.create_user("sso", "sso@example.com")  # has no password
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    CountingHasher.count = 0
    assert sign_in(client, name + domain, "not it").status_code == 200
    assert CountingHasher.count == 1
