"""Issuing, replacing and revoking licenses. A portal's validation checks each key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks
from pytest_django.fixtures import Settings

from license import token
from license.claims import LicenseClaims, Plan
from license.reasons import LicenseRevoked
from license.tests import keys
from panel import issuing, ordering
from panel.customers import Refused, Suspended
from panel.issuing import NotProven, TrialTaken
from panel.models import Act, Customer, IssuedLicense, Order
from panel.signing import SigningError
from panel.tests.conftest import ACCOUNT, BILLING, OTHER_ACCOUNT, Buy, approve, start_trial
from storage.append_only import AppendOnlyError
from tests.test_secrets import traces

pytestmark = pytest.mark.one_database  # rules in Python

Status = IssuedLicense.Status
NOW = datetime.fromisoformat("2026-11-23T15:20:11.250000+00:00")


def claims(issued: IssuedLicense, *, at: datetime, account: str = ACCOUNT) -> LicenseClaims:
    """Validates the key as a portal in that account would."""
    return token.verify(issued.key, keyring=keys.keyring(), account_id=account, now=at)


def test_a_trial_runs_for_14_full_days_from_now_in_its_account(alice: Customer) -> None:
    approve(alice)
    issued = issuing.start_trial(alice, account_id=ACCOUNT, name="Example Corp", at=NOW)
    said = claims(issued, at=NOW)
    assert (said.plan, said.customer, said.jti) == (Plan.TRIAL, "Example Corp", issued.jti)
    assert said.not_before == NOW.replace(microsecond=0)
    assert said.expires_at.isoformat() == "2026-12-08T00:00:00+00:00"


def test_a_trial_starts_only_in_an_account_that_its_customer_has_proven(
    alice: Customer, bob: Customer
) -> None:
    approve(bob)
    approve(alice, account=OTHER_ACCOUNT)
    with pytest.raises(NotProven, match=ACCOUNT):
        issuing.start_trial(alice, account_id=ACCOUNT, name="New", at=NOW)
    assert not IssuedLicense.objects.exists()


@pytest.mark.every_database  # constraints
def test_an_account_has_one_trial_ever(alice: Customer, bob: Customer) -> None:
    start_trial(alice)
    for customer in (alice, bob):
        for at in (timezone.now(), timezone.now() + timedelta(days=4000)):
            with pytest.raises(TrialTaken, match="Paid") as told:
                start_trial(customer, at=at)
            assert "alice" not in str(told.value)
    start_trial(alice, account=OTHER_ACCOUNT)
    assert IssuedLicense.objects.count() == 2


def test_a_trial_is_mailed_at_once_without_its_key(
    alice: Customer, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        issued = start_trial(alice)
    (sent,) = mail.outbox
    assert sent.to == ["alice@example.com"]
    assert issued.jti in sent.body
    assert "http://testserver/panel/licenses" in sent.body
    assert traces(issued.key, f"{sent.subject} {sent.body}") == []


def test_an_order_issues_nothing_until_it_is_paid(alice: Customer, staff: User) -> None:
    order = ordering.place_order(
        alice, account_id=ACCOUNT, months=12, name="", billing=BILLING, at=NOW
    )
    assert not IssuedLicense.objects.exists()
    again = ordering.place_order(
        alice, account_id=ACCOUNT, months=12, name="", billing=BILLING, at=NOW
    )
    assert again == order
    for _ in range(2):  # said twice, it issues once
        settled = ordering.settle(
            order, paid_by=Order.Payment.INVOICE, by=staff, why="invoice 7", at=NOW
        )
    issued = IssuedLicense.objects.get()
    assert settled.license == issued
    assert claims(issued, at=NOW).expires_at.isoformat() == "2027-11-24T12:00:00+00:00"
    paid = Act.objects.get(kind=Act.Kind.PAID)
    assert (paid.by, paid.why, paid.at) == (staff, "invoice 7", NOW)


def test_an_upgrade_begins_at_once(alice: Customer, buy: Buy) -> None:
    start_trial(alice, at=NOW)
    later = NOW + timedelta(days=3)
    assert claims(buy(alice, at=later), at=later).plan is Plan.PAID


@pytest.mark.every_database  # queries
def test_a_renewal_begins_in_the_second_in_which_the_present_license_ends(
    alice: Customer, buy: Buy
) -> None:
    present = buy(alice, at=NOW)
    renewal = buy(alice, months=1, at=NOW + timedelta(days=10))
    third = buy(alice, months=1, at=NOW + timedelta(days=11))
    assert renewal.not_before == present.expires_at
    assert third.not_before == renewal.expires_at
    handover = present.expires_at
    assert claims(present, at=handover - timedelta(seconds=1))
    assert claims(renewal, at=handover)
    assert renewal.status(handover - timedelta(seconds=1)) is Status.QUEUED
    assert renewal.status(handover) is Status.ACTIVE
    assert present.status(handover) is Status.EXPIRED
    assert renewal.expires_at.isoformat() == "2027-12-24T12:00:00+00:00"


def test_after_a_gap_a_license_begins_when_it_is_paid(alice: Customer, buy: Buy) -> None:
    present = buy(alice, months=1, at=NOW)
    late = present.expires_at + timedelta(days=5)
    assert buy(alice, at=late).not_before == late.replace(microsecond=0)


def test_a_customer_continues_nobody_elses_license(
    alice: Customer, bob: Customer, buy: Buy
) -> None:
    buy(alice, at=NOW)
    assert buy(bob, at=NOW).not_before == NOW.replace(microsecond=0)


@pytest.mark.parametrize(
    ("days_left", "status"),
    [(15, Status.ACTIVE), (14, Status.EXPIRING), (13, Status.EXPIRING), (0, Status.EXPIRED)],
)
def test_the_status_follows_the_clock(
    alice: Customer, buy: Buy, days_left: int, status: Status
) -> None:
    issued = buy(alice, at=NOW)
    assert issued.status(issued.expires_at - timedelta(days=days_left)) is status


def test_a_replacement_runs_for_the_rest_and_revokes_what_it_replaces(
    alice: Customer, buy: Buy
) -> None:
    first = buy(alice, at=NOW)
    later = NOW + timedelta(days=30)
    second = issuing.replace(first, by=alice.user, why="in a chat", at=later)
    third = issuing.replace(second, by=alice.user, why="again", at=later)
    said = claims(third, at=later)
    assert said.expires_at == first.expires_at
    assert set(said.revokes) == {first.jti, second.jti}
    with pytest.raises(LicenseRevoked):
        token.verify(
            first.key,
            keyring=keys.keyring(),
            account_id=ACCOUNT,
            now=later,
            revoked=said.revokes,
        )
    first = IssuedLicense.objects.get(pk=first.pk)
    assert first.status(later) is Status.REPLACED
    assert Act.objects.get(kind=Act.Kind.REPLACED, license=second).why == "again"


def test_a_renewal_that_waits_is_replaced_by_one_that_waits(alice: Customer, buy: Buy) -> None:
    buy(alice, at=NOW)
    renewal = buy(alice, at=NOW)
    new = issuing.replace(renewal, by=alice.user, why="lost", at=NOW)
    assert (new.not_before, new.expires_at) == (renewal.not_before, renewal.expires_at)


def test_a_license_moves_to_another_account_with_its_term(
    alice: Customer, buy: Buy, staff: User
) -> None:
    issued = buy(alice, at=NOW)
    moved = issuing.replace(issued, by=staff, why="new account", at=NOW, account_id=OTHER_ACCOUNT)
    assert claims(moved, at=NOW, account=OTHER_ACCOUNT).expires_at == issued.expires_at


@pytest.mark.every_database  # constraints
def test_a_trial_that_was_moved_is_its_new_accounts_trial(
    alice: Customer, bob: Customer, staff: User
) -> None:
    issuing.replace(
        start_trial(alice), by=staff, why="moved", at=timezone.now(), account_id=OTHER_ACCOUNT
    )
    for account in (ACCOUNT, OTHER_ACCOUNT):
        with pytest.raises(TrialTaken):
            start_trial(bob, account=account)


def test_what_is_over_is_not_replaced(alice: Customer, buy: Buy, staff: User) -> None:
    issued = buy(alice, months=1, at=NOW)
    with pytest.raises(Refused, match="expired"):
        issuing.replace(issued, by=staff, why="late", at=issued.expires_at)
    issuing.revoke(issued, by=staff, why="fraud", at=NOW)
    for verb in (issuing.replace, issuing.revoke):
        with pytest.raises(Refused, match="already revoked"):
            verb(issued, by=staff, why="again", at=NOW)
    assert IssuedLicense.objects.get().status(NOW) is Status.REVOKED


def test_a_renewal_does_not_continue_a_revoked_license(
    alice: Customer, buy: Buy, staff: User
) -> None:
    issuing.revoke(buy(alice, at=NOW), by=staff, why="fraud", at=NOW)
    assert buy(alice, at=NOW).not_before == NOW.replace(microsecond=0)


def test_for_a_suspended_customer_nothing_more_is_issued(
    alice: Customer, buy: Buy, staff: User
) -> None:
    present = buy(alice, at=NOW)
    order = ordering.place_order(
        alice, account_id=ACCOUNT, months=1, name="", billing=BILLING, at=NOW
    )
    issuing.suspend(alice, by=staff, why="card declined", at=NOW)
    for attempt in (
        lambda: start_trial(alice, account=OTHER_ACCOUNT),
        lambda: ordering.place_order(
            alice, account_id=ACCOUNT, months=12, name="", billing=BILLING, at=NOW
        ),
        lambda: issuing.replace(present, by=alice.user, why="lost", at=NOW),
    ):
        with pytest.raises(Suspended):
            attempt()
    settled = ordering.settle(order, paid_by=Order.Payment.INVOICE, by=staff, why="", at=NOW)
    assert settled.status is Order.Status.ON_HOLD
    assert IssuedLicense.objects.get().status(NOW) is Status.ACTIVE  # it is no revocation
    issuing.reinstate(alice, by=staff, why="paid again", at=NOW)
    assert IssuedLicense.objects.get(order=order).not_before == present.expires_at
    kinds = Act.objects.order_by("pk").values_list("kind", "by__email", "why")
    assert ("suspended", "sam@vendor.example", "card declined") in kinds
    assert ("reinstated", "sam@vendor.example", "paid again") in kinds


@pytest.mark.every_database  # transactions
def test_a_key_that_cannot_sign_leaves_nothing_behind(alice: Customer, settings: Settings) -> None:
    approve(alice)
    settings.LICENSE_SIGNING_KEY = "/nowhere/signing-key.pem"
    with pytest.raises(SigningError, match="cannot be read"):
        issuing.start_trial(alice, account_id=ACCOUNT, name="New", at=NOW)
    assert not IssuedLicense.objects.exists()
    assert Act.objects.get().kind == Act.Kind.APPROVED
    assert Customer.objects.get().name == ""


@pytest.mark.every_database  # triggers
@pytest.mark.parametrize("table", ["issuedlicense", "act"])
def test_what_was_issued_and_done_is_never_rewritten(alice: Customer, buy: Buy, table: str) -> None:
    buy(alice)
    rows: Any = {"issuedlicense": IssuedLicense.objects, "act": Act.objects}[table]
    attempts: list[Callable[[], object]] = [
        lambda: rows.all().delete(),
        lambda: rows.update(customer=alice),
        lambda: rows.first().save(),
        lambda: rows.first().delete(),
    ]
    for attempt in attempts:
        with pytest.raises(AppendOnlyError):
            attempt()
