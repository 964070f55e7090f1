"""Teams: who may do what, invitations, leaving and removing."""

from __future__ import annotations

import importlib
import re
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks
from time_machine import travel

from panel import issuing, ordering, teams
from panel.models import Act, Customer, IssuedLicense, Member, OutgoingMail, Role
from panel.roles import POWERS
from panel.tests.conftest import ACCOUNT, BILLING, Buy, approve, browser, person, start_trial

pytestmark = pytest.mark.one_database  # pages and mail

TEAM = "/panel/team"


def join(customer: Customer, email: str, role: Role) -> Client:
    """Returns the browser of a new member of the customer's team."""
    user, now = person(email), timezone.now()
    invitation = teams.invite(customer, email=email, role=role, by=customer.user, at=now)
    teams.accept(invitation, user=user, at=now)
    return browser(user)


def page(client: Client, path: str = TEAM) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def member(email: str) -> Member:
    return Member.objects.get(user__email=email)


@pytest.mark.every_database  # from the invitation to the license
def test_an_invited_person_joins_and_shares_the_licenses(
    alice: Customer,
    alice_client: Client,
    buy: Buy,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    issued = buy(alice)
    with django_capture_on_commit_callbacks(execute=True):
        alice_client.post(f"{TEAM}/invite", {"email": "Tess@Example.com", "role": "technical"})
    (sent,) = mail.outbox
    assert sent.to == ["tess@example.com"]
    assert "alice@example.com invites you" in str(sent.subject)
    assert "http://testserver/panel/team" in str(sent.body)
    assert "Open invitations" in page(alice_client)

    tess = browser(person("tess@example.com"))
    assert "invited to join another team" in page(tess, "/panel/licenses")
    (path,) = re.findall(r'action="(/panel/team/invitations/\d+/answer)"', page(tess))
    tess.post(path, {"answer": "accept"})
    assert issued.key in page(tess, "/panel/licenses")
    assert Customer.objects.count() == 1
    assert "tess@example.com, Technical" in Act.objects.get(kind=Act.Kind.JOINED).why
    assert tess.post(path, {"answer": "accept"}).status_code == 404  # it serves once


def test_an_invitation_serves_its_address_alone_for_14_days(
    alice: Customer, bob_client: Client
) -> None:
    now = timezone.now()
    invitation = teams.invite(
        alice, email="tess@example.com", role=Role.OWNER, by=alice.user, at=now
    )
    path = f"{TEAM}/invitations/{invitation.pk}/answer"
    assert bob_client.post(path, {"answer": "accept"}).status_code == 404
    with travel(now + timedelta(days=14, seconds=1)):
        tess = browser(person("tess@example.com"))
        assert tess.post(path, {"answer": "accept"}).status_code == 404
    assert alice.members.count() == 1


def test_an_invitation_is_declined_or_withdrawn(alice: Customer, alice_client: Client) -> None:
    for path, answer in (("answer", "decline"), ("withdraw", "")):
        invitation = teams.invite(
            alice, email="tess@example.com", role=Role.BILLING, by=alice.user, at=timezone.now()
        )
        who = browser(person("tess@example.com")) if answer else alice_client
        who.post(f"{TEAM}/invitations/{invitation.pk}/{path}", {"answer": answer})
        assert not alice.invitations.exists()
        assert Act.objects.filter(kind=Act.Kind.WITHDRAWN, why="tess@example.com").exists()


def test_who_has_licenses_of_their_own_joins_nobody(
    alice: Customer, bob: Customer, bob_client: Client
) -> None:
    start_trial(bob)
    invitation = teams.invite(
        alice, email="bob@example.com", role=Role.BILLING, by=alice.user, at=timezone.now()
    )
    path = f"{TEAM}/invitations/{invitation.pk}/answer"
    answer = bob_client.post(path, {"answer": "accept"}, follow=True)
    assert "You belong to another team" in answer.content.decode()
    assert member("bob@example.com").customer == bob
    assert IssuedLicense.objects.get().customer == bob


# What each role may open or send: the status for Owner, Billing and Technical.
ALLOWED = {
    ("GET", "/panel/licenses"): (200, 200, 200),
    ("GET", "/panel/orders/{order}"): (200, 200, 200),
    ("GET", "/panel/team"): (200, 200, 200),
    ("GET", "/panel/licenses/{jti}/key.txt"): (200, 403, 200),
    ("GET", "/panel/licenses/{jti}/replace"): (200, 403, 200),
    ("POST", "/panel/licenses/{jti}/replace"): (200, 403, 200),
    ("GET", "/panel/request-license?plan=trial"): (200, 403, 200),
    ("POST", "/panel/request-license?plan=trial"): (200, 403, 200),
    ("GET", "/panel/request-license?plan=paid"): (200, 200, 403),
    ("POST", "/panel/request-license?plan=paid"): (200, 200, 403),
    ("GET", "/panel/request-license"): (200, 200, 200),
    ("POST", "/panel/orders/{order}/pay"): (302, 302, 403),
    ("POST", "/panel/team/invite"): (200, 403, 403),
    ("POST", "/panel/team/invitations/{invitation}/withdraw"): (302, 403, 403),
    ("POST", "/panel/team/members/{owner}/role"): (302, 403, 403),
    ("POST", "/panel/team/members/{owner}/remove"): (302, 403, 403),
}


@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_do_what_its_powers_say(alice: Customer, buy: Buy, role: Role) -> None:
    assert set(POWERS) == set(Role)
    issued = buy(alice)
    now = timezone.now()
    order = ordering.place_order(
        alice, account_id=ACCOUNT, months=1, name="", billing=BILLING, at=now
    )
    invitation = teams.invite(alice, email="x@example.com", role=role, by=alice.user, at=now)
    client = join(alice, "tess@example.com", role)
    names = {
        "jti": issued.jti,
        "order": order.pk,
        "invitation": invitation.pk,
        "owner": member("alice@example.com").pk,
    }
    for (method, path), statuses in ALLOWED.items():
        answer = client.generic(method, path.format(**names))
        assert answer.status_code == statuses[list(Role).index(role)], (method, path)
        if answer.status_code == 403:
            assert f"Your role, {role.label}, may not" in answer.content.decode()
            assert "alice@example.com" in answer.content.decode()


def test_the_journal_has_who_of_the_team_did_it(alice: Customer) -> None:
    approve(alice)
    tess = join(alice, "tess@example.com", Role.TECHNICAL)
    tess.post("/panel/request-license?plan=trial", {"account_id": ACCOUNT, "name": ""})
    issued = Act.objects.get(kind=Act.Kind.ISSUED)
    assert issued.by == User.objects.get(email="tess@example.com")


def test_billing_sees_licenses_without_their_keys(
    alice: Customer, alice_client: Client, buy: Buy
) -> None:
    key = buy(alice).key
    assert key in page(alice_client, "/panel/licenses")
    billing = page(join(alice, "bill@example.com", Role.BILLING), "/panel/licenses")
    assert key not in billing
    assert ">Renew<" in billing
    technical = page(join(alice, "tess@example.com", Role.TECHNICAL), "/panel/licenses")
    assert key in technical
    assert ">Renew<" not in technical


def test_mail_goes_to_those_whose_role_it_concerns(alice: Customer, buy: Buy, staff: User) -> None:
    join(alice, "bill@example.com", Role.BILLING)
    join(alice, "tess@example.com", Role.TECHNICAL)

    def told(subject: str) -> list[str]:
        rows = OutgoingMail.objects.filter(subject__contains=subject).order_by("to")
        return list(rows.values_list("to", flat=True))

    start_trial(alice)
    assert told("Your Trial license") == ["alice@example.com", "tess@example.com"]
    issued = buy(alice)
    assert told("we have received it") == ["alice@example.com", "bill@example.com"]
    everybody = ["alice@example.com", "bill@example.com", "tess@example.com"]
    assert told("Your Paid license") == everybody
    issuing.revoke(issued, by=staff, why="fraud", at=timezone.now())
    assert told("is revoked") == ["alice@example.com", "tess@example.com"]
    issuing.suspend(alice, by=staff, why="fraud", at=timezone.now())
    assert told("is on hold") == everybody


@pytest.mark.every_database  # locks
def test_the_last_owner_neither_leaves_nor_changes_role(
    alice: Customer, alice_client: Client
) -> None:
    join(alice, "tess@example.com", Role.TECHNICAL)
    owner = member("alice@example.com")
    for path, said in (("remove", {}), ("role", {"role": "billing"})):
        answer = alice_client.post(f"{TEAM}/members/{owner.pk}/{path}", said, follow=True)
        assert "the last owner" in answer.content.decode()
    assert member("alice@example.com").role == Role.OWNER


@pytest.mark.every_database  # queries
def test_an_owner_leaves_once_there_is_another(
    alice: Customer, alice_client: Client, buy: Buy
) -> None:
    issued = buy(alice)
    tess = join(alice, "tess@example.com", Role.TECHNICAL)
    other = member("tess@example.com")
    alice_client.post(f"{TEAM}/members/{other.pk}/role", {"role": "owner"})
    alice_client.post(f"{TEAM}/members/{member('alice@example.com').pk}/remove")
    assert "no licenses yet" in page(alice_client, "/panel/licenses")
    assert alice_client.get(f"/panel/licenses/{issued.jti}/key.txt").status_code == 404
    assert issued.key in page(tess, "/panel/licenses")
    assert Customer.objects.get(pk=alice.pk).user.email == "tess@example.com"
    assert "tess@example.com, Owner" in Act.objects.get(kind=Act.Kind.ROLE).why
    assert Act.objects.get(kind=Act.Kind.LEFT).why == "alice@example.com"


@pytest.mark.every_database  # deletes rows
def test_a_member_leaves_or_is_removed(alice: Customer, alice_client: Client, buy: Buy) -> None:
    key = buy(alice).key
    for email, remover in (("tess@example.com", "self"), ("bill@example.com", "owner")):
        client = join(alice, email, Role.TECHNICAL)
        by = client if remover == "self" else alice_client
        by.post(f"{TEAM}/members/{member(email).pk}/remove")
        assert key not in page(client, "/panel/licenses")
        assert not alice.members.filter(user__email=email).exists()


def test_what_is_wrong_with_an_invitation_is_told(alice_client: Client) -> None:
    for email, role, told in (
        ("", "owner", "Enter an email address"),
        ("no address", "owner", "valid email"),
        ("alice@example.com", "owner", "is a member already"),
        ("x@example.com", "king", "valid choice"),
    ):
        answer = alice_client.post(f"{TEAM}/invite", {"email": email, "role": role})
        assert told in answer.content.decode()
    assert not mail.outbox


def test_invitations_are_limited(alice_client: Client) -> None:
    statuses = {
        alice_client.post(
            f"{TEAM}/invite", {"email": f"x{number}@example.com", "role": "owner"}
        ).status_code
        for number in range(21)
    }
    assert statuses == {302, 429}


def test_staff_give_a_team_an_owner(alice: Customer, staff: User, staff_client: Client) -> None:
    join(alice, "tess@example.com", Role.TECHNICAL)
    for email in ("tess@example.com", "new@example.com"):
        answer = staff_client.post(
            "/panel/admin/panel/customer/",
            {
                "action": "make_owner",
                "_selected_action": [str(alice.pk)],
                "confirmed": "yes",
                "email": email,
                "why": "Alice has left the company.",
            },
            follow=True,
        )
        assert "Done: alice@example.com" in answer.content.decode()
    assert member("tess@example.com").role == Role.OWNER
    assert alice.invitations.get().role == Role.OWNER
    assert Act.objects.get(kind=Act.Kind.ROLE).why.endswith("Alice has left the company.")


def test_a_superseded_trial_offers_no_upgrade_and_licenses_are_grouped_by_account(
    alice: Customer, alice_client: Client, buy: Buy, staff: User
) -> None:
    start_trial(alice)
    other = "432109876543"
    start_trial(alice, account=other)
    assert page(alice_client, "/panel/licenses").count("Upgrade to Paid") == 2
    paid = buy(alice)
    listed = page(alice_client, "/panel/licenses")
    assert listed.count("Upgrade to Paid") == 1
    headings = re.findall(r"<h2[^>]*>AWS account <span[^>]*>(\d+)", listed)
    assert sorted(headings) == sorted([ACCOUNT, other])
    renewal = buy(alice)
    assert listed.count(">Renew<") == page(alice_client, "/panel/licenses").count(">Renew<") == 1
    issuing.revoke(renewal, by=staff, why="refund", at=timezone.now())
    issuing.revoke(paid, by=staff, why="refund", at=timezone.now())
    assert page(alice_client, "/panel/licenses").count("Upgrade to Paid") == 2


@pytest.mark.every_database  # a migration
def test_a_customer_from_before_teams_is_owned_by_who_signed_up(alice: Customer) -> None:
    Member.objects.all().delete()
    importlib.import_module("panel.migrations.0006_teams").make_owners(apps, None)
    owner = alice.members.get()
    assert (owner.user, owner.role) == (alice.user, Role.OWNER)
