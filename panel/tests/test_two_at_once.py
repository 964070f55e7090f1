"""Concurrent requests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from panel import customers, issuing, ordering, teams
from panel.customers import Refused
from panel.issuing import TrialTaken
from panel.models import Act, Customer, IssuedLicense, Order, Revocation, Role
from panel.tests.conftest import ACCOUNT, BILLING, Buy, person, start_trial
from tests.at_once import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def outcome(request: Callable[[], Any]) -> Any:
    """Returns the result, or the refusal."""
    try:
        return request()
    except Refused as refused:
        return refused


def test_of_two_who_ask_for_an_accounts_trial_one_gets_it(alice: Customer, bob: Customer) -> None:
    # Often, for the two must both look before either has issued.
    for account, pair in enumerate([(alice, bob), (alice, alice)] * 8, start=100000000000):
        outcomes = at_once(
            *(partial(outcome, partial(start_trial, who, account=str(account))) for who in pair)
        )
        issued = IssuedLicense.objects.get(aws_account_id=str(account))
        assert issued in outcomes
        assert [type(other) for other in outcomes if other != issued] == [TrialTaken]


def test_an_order_that_is_paid_twice_at_once_issues_once(alice: Customer, staff: User) -> None:
    order = ordering.place_order(
        alice, account_id=ACCOUNT, months=12, name="", billing=BILLING, at=timezone.now()
    )
    at_once(
        *(
            partial(
                ordering.settle,
                Order.objects.get(pk=order.pk),  # each with its own, as two requests have
                paid_by=Order.Payment.INVOICE,
                by=staff,
                why="invoice 1",
                at=timezone.now(),
            )
            for _ in range(2)
        )
    )
    assert IssuedLicense.objects.get().order == order
    assert Act.objects.filter(kind=Act.Kind.PAID).count() == 1


def test_two_orders_for_the_same_thing_are_one(alice: Customer) -> None:
    place = partial(
        ordering.place_order,
        alice,
        account_id=ACCOUNT,
        months=1,
        name="",
        billing=BILLING,
        at=timezone.now(),
    )
    assert len(set(at_once(place, place))) == 1


def test_two_renewals_at_once_follow_one_another(alice: Customer, staff: User, buy: Buy) -> None:
    present = buy(alice)
    orders = [
        ordering.place_order(
            alice, account_id=ACCOUNT, months=months, name="", billing=BILLING, at=timezone.now()
        )
        for months in (1, 12)
    ]
    at_once(
        *(
            partial(
                ordering.settle,
                order,
                paid_by=Order.Payment.INVOICE,
                by=staff,
                why="invoice 2",
                at=timezone.now(),
            )
            for order in orders
        )
    )
    first, second = IssuedLicense.objects.exclude(pk=present.pk).order_by("not_before")
    assert first.not_before == present.expires_at
    assert second.not_before == first.expires_at


def test_of_two_replacements_at_once_one_is_made(alice: Customer, staff: User, buy: Buy) -> None:
    issued = buy(alice)
    outcomes = at_once(
        *(
            partial(
                outcome,
                partial(issuing.replace, issued, by=by, why="leaked", at=timezone.now()),
            )
            for by in (alice.user, staff)
        )
    )
    assert [type(one) for one in outcomes if isinstance(one, Exception)] == [Refused]
    assert Revocation.objects.get().license == issued
    assert IssuedLicense.objects.count() == 2


def test_of_two_invitations_accepted_at_once_one_is(alice: Customer, bob: Customer) -> None:
    now, carol = timezone.now(), customers.customer_of(person("carol@example.com")).user
    invitations = [
        teams.invite(team, email=carol.email, role=Role.BILLING, by=team.user, at=now)
        for team in (alice, bob)
    ]
    outcomes = at_once(
        *(partial(outcome, partial(teams.accept, one, user=carol, at=now)) for one in invitations)
    )
    assert [type(one) for one in outcomes if one] == [Refused]
    assert carol.membership.customer in (alice, bob)
    assert not Customer.objects.filter(user=carol).exists()


def test_of_two_owners_who_leave_at_once_one_stays(alice: Customer, bob: Customer) -> None:
    now = timezone.now()
    invitation = teams.invite(
        alice, email="bob@example.com", role=Role.OWNER, by=alice.user, at=now
    )
    teams.accept(invitation, user=bob.user, at=now)
    owners = list(alice.members.select_related("customer", "user"))
    outcomes = at_once(
        *(partial(outcome, partial(teams.remove, owner, by=owner.user, at=now)) for owner in owners)
    )
    assert [type(one) for one in outcomes if one] == [Refused]
    assert alice.members.get().role == Role.OWNER
    assert Customer.objects.get(pk=alice.pk).user == alice.members.get().user
