"""Administrators invite, promote, demote and deactivate people on the People page."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from allauth.account.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import Group, User
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings
from time_machine import travel

from accounts import clients, people
from accounts.models import SecurityEvent
from accounts.tests.browser import PASSWORD, confirm_password, is_signed_in, sign_in
from tests.at_once import at_once

pytestmark = pytest.mark.one_database  # pages and mail

NEW = "three-small-green-frogs"
KNOWN = "A person with this username or email address exists."
INVITATION = {"username": "nora", "email": "nora@example.com", "role": "operators"}


@pytest.fixture
def ada(administrator_client: Client) -> Client:
    """The browser of an administrator who has just confirmed the password."""
    confirm_password(administrator_client)
    return administrator_client


def administrators(number: int) -> list[tuple[User, Client]]:
    """Creates administrators, who have just confirmed their passwords in their browsers."""
    made = []
    for name in [f"ada{one}" for one in range(number)]:
        user = User.objects.create_user(name, f"{name}@example.com", PASSWORD)
        user.groups.add(Group.objects.get(name="administrators"))
        browser = Client()
        browser.force_login(user)
        confirm_password(browser)
        made.append((user, browser))
    return made


def told(answer: Any) -> str:
    """Returns the messages of the page that the answer leads to."""
    page = Client.get(answer.client, answer["Location"])
    return " ".join(str(message) for message in page.context["messages"])


def change(client: Client, user: User, what: str, **data: Any) -> Any:
    answer = client.post(f"/people/{user.pk}/{what}", data)
    user.refresh_from_db()
    return answer


def link_in(text: str) -> str:
    found = re.search(r"/accounts/password/reset/key/[\w-]+/", text)
    assert found
    return found[0]


def accept(link: str) -> Client:
    """Sets a password as the invited person does, and signs in."""
    browser = Client()
    form = browser.get(link, follow=True)
    sent = {"password1": NEW, "password2": NEW}
    assert browser.post(form.request["PATH_INFO"], sent).status_code == 302
    sign_in(browser, "nora", NEW)
    return browser


# --- Who may --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("valid_license")
@pytest.mark.parametrize("who", ["viewer", "operator"])
def test_only_administrators_see_and_change_people(
    who: str, administrator: User, request: pytest.FixtureRequest
) -> None:
    browser: Client = request.getfixturevalue(f"{who}_client")
    for path in ("/people", "/people/invite", f"/people/{administrator.pk}"):
        assert browser.get(path).status_code == 403
    for what in ("role", "link", "deactivate", "reactivate", "second-factors"):
        assert browser.post(f"/people/{administrator.pk}/{what}").status_code == 403
    assert browser.post("/people/invite", INVITATION).status_code == 403


@pytest.mark.usefixtures("valid_license")
def test_an_administrator_does_not_change_a_superuser(ada: Client, superuser: User) -> None:
    for what in ("role", "link", "deactivate", "reactivate", "second-factors"):
        assert change(ada, superuser, what, role="viewers").status_code == 403
    assert superuser.is_active
    assert "Only superusers can change superusers" in ada.get(f"/people/{superuser.pk}").text


@pytest.mark.usefixtures("valid_license")
def test_what_gives_power_asks_for_the_password_and_then_continues(
    administrator_client: Client, viewer: User
) -> None:
    path = f"/people/{viewer.pk}/role"
    asked = administrator_client.post(path, {"role": "operators"})
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    assert not viewer.groups.filter(name="operators").exists()
    administrator_client.post("/accounts/reauthenticate/", {"password": PASSWORD, "next": path})
    assert viewer.groups.filter(name="operators").exists()


# --- The list -------------------------------------------------------------------------------------


@pytest.mark.every_database  # groups, order and filters
def test_the_list_tells_who_has_which_role_factor_and_state(
    administrator_client: Client, viewer: User, operator: User, stranger: User, settings: Settings
) -> None:
    settings.REQUIRE_SECOND_FACTOR = "none"
    Authenticator.objects.create(user=viewer, type=Authenticator.Type.TOTP, data={"secret": "x"})
    SocialAccount.objects.create(user=operator, provider="sso", uid="1")
    User.objects.create_user("nora", "nora@example.com")
    User.objects.filter(pk=stranger.pk).update(is_active=False)
    with travel("2026-03-04T05:06:07Z", tick=False):
        User.objects.filter(pk=viewer.pk).update(last_login=timezone.now())

    def rows(query: str = "", browser: Client = administrator_client) -> dict[str, str]:
        page = browser.get(f"/people{query}").text
        found = re.findall(r"<tr>\s*(<th.+?)</tr>", page, re.DOTALL)[1:]
        texts = [" ".join(re.sub("<[^>]+>", " ", row).split()) for row in found]
        return {text.split()[0]: text for text in texts}

    shown = rows()
    assert list(shown) == ["ada", "nora", "oscar", "vera", "stella"]
    assert "vera@example.com Viewers Second factor: App" in shown["vera"]
    assert "2026-03-04 05:06" in shown["vera"]
    assert "Operators Second factor: Single sign-on" in shown["oscar"]
    assert "No role Second factor: None Last seen: Never Invited" in shown["nora"]
    assert shown["stella"].endswith("Deactivated")
    assert list(rows("?state=invited")) == ["nora"]
    assert list(rows("?state=inactive")) == ["stella"]
    assert list(rows("?state=active")) == ["ada", "oscar", "vera"]
    assert list(rows("?role=none")) == ["nora", "stella"]
    assert list(rows("?role=viewers")) == ["vera"]
    assert list(rows("?who=OSCAR@ex")) == ["oscar"]
    settings.REQUIRE_SECOND_FACTOR = "administrators"
    Authenticator.objects.create(user=viewer, type=Authenticator.Type.WEBAUTHN, data={})
    superuser = Client()
    superuser.force_login(User.objects.create_superuser("root", password=PASSWORD))
    Authenticator.objects.create(user=User.objects.get(username="root"), type="totp", data={})
    shown = rows(browser=superuser)
    assert "Second factor: Missing" in shown["ada"]
    assert "Second factor: App, Passkey" in shown["vera"]
    assert "Second factor: Single sign-on" in shown["oscar"]
    settings.REQUIRE_SECOND_FACTOR = "everyone"
    assert "Second factor: Missing" in rows(browser=superuser)["oscar"]  # he has a password, too
    operator.set_unusable_password()
    operator.save()
    assert "Second factor: Single sign-on" in rows(browser=superuser)["oscar"]


# --- Invitations ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("valid_license")
def test_an_invited_person_gets_a_link_by_mail_and_sets_a_password(
    ada: Client, settings: Settings, django_capture_on_commit_callbacks: Any
) -> None:
    settings.MAIL_IS_SET_UP = True
    with django_capture_on_commit_callbacks(execute=True):
        answer = ada.post("/people/invite", INVITATION)
    nora = User.objects.get(username="nora")
    assert answer["Location"] == f"/people/{nora.pk}"
    (sent,) = mail.outbox
    assert sent.to == ["nora@example.com"]
    assert "ada has invited you" in sent.body
    link = link_in(str(sent.body))
    assert link not in ada.get(f"/people/{nora.pk}").text
    assert is_signed_in(accept(link))
    assert nora.has_perm("findings.change_threatpolicy")
    assert 'name="password1"' not in Client().get(link, follow=True).text  # it is used up
    events = SecurityEvent.objects.filter(user=nora, by_name="ada").order_by("pk")
    assert list(events.values_list("detail", flat=True)) == [
        "created",
        "added to operators",
        "invited, by email",
    ]


@pytest.mark.usefixtures("valid_license")
def test_without_mail_the_link_is_shown_once(ada: Client, settings: Settings) -> None:
    settings.MAIL_IS_SET_UP = False
    page = ada.post("/people/invite", INVITATION)
    assert page["Cache-Control"] == "no-store"
    first = link_in(page.text)
    nora = User.objects.get(username="nora")
    assert first not in ada.get(f"/people/{nora.pk}").text
    second = link_in(change(ada, nora, "link").text)
    assert 'name="password1"' not in Client().get(first, follow=True).text  # it has ended
    assert is_signed_in(accept(second))
    assert "has accepted" in told(change(ada, nora, "link"))
    assert not [sent for sent in mail.outbox if "invited" in str(sent.body)]


@pytest.mark.usefixtures("valid_license")
def test_the_link_ends(ada: Client, settings: Settings) -> None:
    settings.MAIL_IS_SET_UP = False
    link = link_in(ada.post("/people/invite", INVITATION).text)
    with travel(timezone.now() + timedelta(days=3, minutes=1)):
        assert 'name="password1"' not in Client().get(link, follow=True).text


@pytest.mark.usefixtures("valid_license")
def test_a_deactivated_person_cannot_use_the_link(ada: Client, settings: Settings) -> None:
    settings.MAIL_IS_SET_UP = False
    link = link_in(ada.post("/people/invite", INVITATION).text)
    browser = Client()
    form = browser.get(link, follow=True).request["PATH_INFO"]
    nora = User.objects.get(username="nora")
    change(ada, nora, "deactivate")
    assert "This link has ended" in Client().get(link, follow=True).text
    assert "nora is deactivated" in told(change(ada, nora, "link"))
    browser.post(form, {"password1": NEW, "password2": NEW})  # the page was open already
    nora.refresh_from_db()
    assert not nora.has_usable_password()


@pytest.mark.usefixtures("valid_license")
def test_a_mail_server_that_fails_is_told(
    ada: Client, settings: Settings, django_capture_on_commit_callbacks: Any
) -> None:
    settings.MAIL_IS_SET_UP = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    with django_capture_on_commit_callbacks(execute=True):
        ada.post("/people/invite", INVITATION)
    nora = User.objects.get(username="nora")
    assert link_in(change(ada, nora, "link", show="1").text)


@pytest.mark.usefixtures("valid_license")
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"username": "ADA"}, KNOWN),
        ({"username": "\N{FULLWIDTH LATIN SMALL LETTER A}da"}, KNOWN),  # is stored as "ada"
        ({"username": "ada@example.com"}, KNOWN),
        ({"email": "Ada@example.com"}, KNOWN),
        ({"email": ""}, "This field is required."),
        ({"role": "superuser"}, "Select a valid choice."),
        ({"username": "a b"}, "Enter a valid username."),
    ],
)
def test_a_wrong_invitation_is_explained(ada: Client, changed: dict[str, str], said: str) -> None:
    page = ada.post("/people/invite", INVITATION | changed)
    assert said in page.text
    assert User.objects.count() == 1


@pytest.mark.every_database  # two at once
@pytest.mark.django_db(transaction=True)
def test_of_two_invitations_at_once_for_one_address_one_is_refused(
    groups: None, valid_license: object, settings: Settings
) -> None:
    settings.MAIL_IS_SET_UP = False
    invitations = [INVITATION, INVITATION | {"username": "norah"}]
    pages = at_once(
        *(
            partial(browser.post, "/people/invite", invitation)
            for (_, browser), invitation in zip(administrators(2), invitations, strict=True)
        )
    )
    assert sorted(KNOWN in page.text for page in pages) == [False, True]
    assert User.objects.filter(email="nora@example.com").count() == 1


def test_with_single_sign_on_the_page_says_whom_not_to_invite(
    administrator_client: Client, settings: Settings
) -> None:
    confirm_password(administrator_client)
    assert "Do not invite" not in administrator_client.get("/people/invite").text
    settings.OIDC_SERVER_URL, settings.OIDC_NAME = "https://idp.example.com", "Okta"
    page = administrator_client.get("/people/invite").text
    assert "Do not invite people who sign in with Okta" in page


# --- Roles and deactivation -----------------------------------------------------------------------


@pytest.mark.every_database  # a role is rows of a relation
@pytest.mark.usefixtures("valid_license")
def test_a_role_replaces_the_others_and_keeps_other_groups(ada: Client, viewer: User) -> None:
    own = Group.objects.create(name="auditors")
    viewer.groups.add(own, Group.objects.get(name="operators"))
    change(ada, viewer, "role", role="administrators")
    assert {group.name for group in viewer.groups.all()} == {"administrators", "auditors"}
    change(ada, viewer, "role", role="")
    assert list(viewer.groups.all()) == [own]
    for wrong in ({}, {"role": "auditors"}):
        assert "Choose a role" in told(change(ada, viewer, "role", **wrong))


@pytest.mark.usefixtures("expired_license")
def test_without_a_license_people_can_only_lose_power(ada: Client, operator: User) -> None:
    assert change(ada, operator, "role", role="administrators").status_code == 403
    assert change(ada, operator, "role", role="viewers").status_code == 302
    assert [group.name for group in operator.groups.all()] == ["viewers"]
    assert change(ada, operator, "role", role="operators").status_code == 403
    assert change(ada, operator, "deactivate").status_code == 302
    assert not operator.is_active
    assert change(ada, operator, "reactivate").status_code == 403
    assert ada.post("/people/invite", INVITATION).status_code == 403


@pytest.mark.usefixtures("valid_license")
def test_deactivation_ends_the_sessions_at_once(ada: Client, operator: User) -> None:
    operator_client = Client()
    sign_in(operator_client, "oscar")
    assert is_signed_in(operator_client)
    change(ada, operator, "deactivate")
    assert not is_signed_in(operator_client)
    assert SecurityEvent.objects.filter(user=operator, by_name="ada", detail="deactivated")
    change(ada, operator, "reactivate")
    assert operator.is_active
    assert not is_signed_in(operator_client)


@pytest.mark.usefixtures("valid_license")
def test_the_last_administrator_stays(
    ada: Client, administrator: User, superuser: User, superuser_client: Client
) -> None:
    confirm_password(superuser_client)
    carla = User.objects.create_user("carla", "carla@example.com")  # invited, and has no password
    carla.groups.add(Group.objects.get(name="administrators"))
    change(superuser_client, administrator, "role", role="viewers")  # root remains
    assert administrator.groups.get().name == "viewers"
    change(superuser_client, administrator, "role", role="administrators")
    User.objects.filter(pk=superuser.pk).update(is_active=False)
    assert "last active administrator" in told(change(ada, administrator, "role", role="viewers"))
    assert administrator.groups.get().name == "administrators"
    assert "cannot deactivate yourself" in told(change(ada, administrator, "deactivate"))
    assert administrator.is_active
    carla.set_password(PASSWORD)
    carla.save()
    change(ada, administrator, "role", role="viewers")
    assert administrator.groups.get().name == "viewers"


def test_a_password_that_is_set_meanwhile_does_not_reactivate(viewer: User) -> None:
    User.objects.filter(pk=viewer.pk).update(is_active=False)
    get_adapter().set_password(viewer, NEW)  # by a request that began before
    viewer.refresh_from_db()
    assert viewer.check_password(NEW)
    assert not viewer.is_active
    assert not SecurityEvent.objects.filter(detail="activated")


def test_the_last_administrator_is_not_deactivated(superuser: User, administrator: User) -> None:
    people.deactivate(superuser, by=administrator)
    with pytest.raises(people.Refused, match="last active administrator"):
        people.deactivate(administrator, by=superuser)
    administrator.refresh_from_db()
    assert administrator.is_active


@pytest.mark.every_database  # two at once
@pytest.mark.django_db(transaction=True)
def test_not_all_administrators_step_down_at_once(groups: None, valid_license: object) -> None:
    at_once(
        *(
            partial(browser.post, f"/people/{user.pk}/role", {"role": "viewers"})
            for user, browser in administrators(6)
        )
    )
    assert User.objects.filter(groups__name="administrators").count() == 1


def test_the_page_says_that_the_api_clients_of_a_person_keep_working(
    ada: Client, operator: User
) -> None:
    page = f"/people/{operator.pk}"
    assert "keep working" not in ada.get(page).text
    clients.create("pipeline", ["findings:read"], owner=operator)
    assert "keep working" in ada.get(page).text


@pytest.mark.usefixtures("valid_license")
def test_a_lost_second_factor_is_removed(ada: Client, viewer: User) -> None:
    for kind in ("totp", "recovery_codes"):
        Authenticator.objects.create(user=viewer, type=kind, data={"secret": "x"})
    assert "Lost second factor" in ada.get(f"/people/{viewer.pk}").text
    change(ada, viewer, "second-factors")
    assert not Authenticator.objects.filter(user=viewer).exists()
    assert SecurityEvent.objects.filter(user=viewer, by_name="ada", method="totp").exists()
    assert "Lost second factor" not in ada.get(f"/people/{viewer.pk}").text
