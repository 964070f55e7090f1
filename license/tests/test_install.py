"""Tests of the installation of keys: a rejected key changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client

from conftest import install as put_into_history
from license import installation, status
from license.installation import ConfirmationNeeded, Installation
from license.models import License
from license.reasons import LicenseError
from license.tests import keys
from license.tests.keys import make_license
from tests.tampering import tamper

pytestmark = pytest.mark.django_db


def install(key: str, *, confirmed: bool = False, by: User | None = None) -> Installation:
    return installation.install(
        key, by=by, source=License.Source.PAGE, at=keys.now(), confirmed=confirmed
    )


def test_the_history_says_who_when_and_from_where(administrator: User) -> None:
    before = keys.now()
    row = install(make_license(jti="a"), by=administrator).installed
    row.refresh_from_db()
    assert (row.jti, row.installed_by, row.source) == ("a", administrator, "page")
    assert before <= row.installed_at <= keys.now()


def test_a_key_is_stored_without_the_white_space_of_the_mail() -> None:
    key = make_license()
    assert install(f"  {key[:80]}\r\n{key[80:]}\n").installed.key == key


def test_a_key_that_is_installed_already_adds_no_row() -> None:
    key = make_license()
    assert install(key).created
    assert not install(key + "\n").created
    assert License.objects.count() == 1


def test_the_same_key_fixes_a_row_that_was_damaged() -> None:
    key = make_license()
    install(key)
    tamper("UPDATE license_license SET key = 'damaged'")
    assert not status.current().allows_writes
    assert install(key).created
    assert status.current().allows_writes


def test_an_edited_id_keeps_no_other_license_out() -> None:
    install(make_license(jti="old", days=10))
    tamper("UPDATE license_license SET jti = 'new'")
    assert install(make_license(jti="new", days=20)).created
    in_force = status.current().claims
    assert in_force and in_force.jti == "new"


def test_a_license_whose_id_was_edited_is_still_installed_already() -> None:
    key = make_license()
    install(key)
    tamper("UPDATE license_license SET jti = 'edited'")
    assert not install(key).created


REFUSED: dict[str, Callable[[], str]] = {
    "license_malformed": lambda: "nonsense",
    "license_bad_signature": lambda: make_license(signing_key=keys.other_key()),
    "license_wrong_account": lambda: make_license(aws_account_id="210987654321"),
    "license_expired": lambda: make_license(begins=timedelta(days=-30), days=30),
    "license_revoked": lambda: make_license(jti="revoked"),
}


@pytest.mark.parametrize("code", REFUSED)
def test_a_refused_key_leaves_the_license_in_force(code: str) -> None:
    put_into_history(make_license(revokes=["revoked"]))
    before = status.current()
    with pytest.raises(LicenseError) as refused:
        install(REFUSED[code](), confirmed=True)
    assert refused.value.code == code
    assert License.objects.count() == 1
    assert status.current().claims == before.claims


def test_a_key_that_ends_sooner_must_be_confirmed() -> None:
    install(make_license(days=100))
    sooner = make_license(days=50)
    with pytest.raises(ConfirmationNeeded, match="expires before"):
        install(sooner)
    assert License.objects.count() == 1
    assert install(sooner, confirmed=True).created


def test_going_from_paid_to_trial_must_be_confirmed() -> None:
    install(make_license(days=10))
    with pytest.raises(ConfirmationNeeded, match="Paid to Trial"):
        install(make_license(plan="trial", days=20))


def test_an_upgrade_and_a_renewal_need_no_confirmation() -> None:
    install(make_license(plan="trial", days=10))
    assert install(make_license(days=10.5)).created
    assert install(make_license(begins=timedelta(days=10), days=365)).created


def test_with_nothing_in_force_no_key_must_be_confirmed() -> None:
    put_into_history(make_license(begins=timedelta(days=-30), days=29))
    assert install(make_license(plan="trial", days=1)).created


def in_force() -> str:
    claims = status.current().claims
    assert claims and status.current().allows_writes
    return claims.jti


WAYS: dict[str, Callable[[Client, str], object]] = {
    "page": lambda client, key: client.post("/license", {"key": key}),
    "admin": lambda client, key: client.post("/admin/license/license/add/", {"key": key}),
    "command": lambda client, key: call_command("setlicense", key),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_key_that_another_replaced_is_put_in_force_by_installing_it_again(
    way: str, administrator_client: Client
) -> None:
    paid = make_license(jti="paid", days=365)
    install(paid)
    install(make_license(jti="trial", plan="trial", days=5), confirmed=True)
    assert in_force() == "trial"
    for _ in range(2):  # the second time it is in force, and adds no row
        WAYS[way](administrator_client, paid)
        assert in_force() == "paid"
        assert License.objects.count() == 3


def test_a_worse_key_must_be_confirmed_each_time() -> None:
    trial = make_license(plan="trial", days=5)
    install(trial)
    install(make_license(days=365))
    with pytest.raises(ConfirmationNeeded):
        install(trial)


def test_the_key_in_force_adds_no_row_behind_a_queued_renewal() -> None:
    present = make_license(jti="present", days=10)
    install(present)
    install(make_license(begins=timedelta(days=10), days=365))
    assert not install(present).created


@pytest.mark.django_db(transaction=True)
def test_the_same_key_twice_at_once_makes_one_row() -> None:
    key = make_license()
    start = threading.Barrier(4)
    outcomes: list[bool] = []

    def run() -> None:
        start.wait()
        try:
            outcomes.append(install(key).created)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False, False, False, True]
    assert License.objects.count() == 1
