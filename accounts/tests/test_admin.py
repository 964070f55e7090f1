"""Administrators manage users, but cannot escalate their own permissions."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.idp.oidc.models import Client as OAuthClient
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from accounts.tests.browser import PASSWORD, confirm_password, is_signed_in, sign_in

pytestmark = [pytest.mark.usefixtures("valid_license"), pytest.mark.one_database]  # pages

NEW = "an entirely different sentence"


@pytest.fixture
def administrator_client(administrator_client: Client) -> Client:
    """The browser of an administrator who has just confirmed the password."""
    confirm_password(administrator_client)
    return administrator_client


@pytest.fixture
def superuser_client(superuser_client: Client) -> Client:
    """The browser of a superuser who has just confirmed the password."""
    confirm_password(superuser_client)
    return superuser_client


def page_of(user: User) -> str:
    return f"/admin/auth/user/{user.pk}/change/"


def fields_of(user: User, **changes: Any) -> dict[str, Any]:
    """Returns the form data of the user with `changes`; None omits a field."""
    fields: dict[str, Any] = {
        "username": user.username,
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "is_active": "on",
        "groups": [group.pk for group in user.groups.all()],
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


def group(name: str) -> int:
    return Group.objects.get(name=name).pk


def save(client: Client, user: User, **changes: Any) -> Any:
    answer = client.post(page_of(user), fields_of(user, **changes))
    user.refresh_from_db()
    return answer


# --- Coming in --------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["viewer", "operator", "administrator", "superuser"])
def test_whoever_may_see_something_may_come_in(who: str, request: pytest.FixtureRequest) -> None:
    browser: Client = request.getfixturevalue(f"{who}_client")
    assert browser.get("/admin/").status_code == 200
    assert browser.get("/admin/login/")["Location"] == "/admin/"


def test_without_a_role_the_admin_is_forbidden_and_not_a_second_sign_in(
    stranger_client: Client,
) -> None:
    assert stranger_client.get("/admin/", follow=True).status_code == 403
    assert stranger_client.get("/admin/login/").status_code == 403


def test_the_admin_has_no_sign_in_of_its_own(administrator: User, client: Client) -> None:
    asked = client.get("/admin/auth/user/", follow=True)
    assert asked.redirect_chain[-1][0] == "/accounts/login/?next=/admin/auth/user/"
    client.post("/admin/login/", {"username": "ada", "password": PASSWORD})
    assert not is_signed_in(client)


def test_is_staff_opens_nothing(stranger: User, stranger_client: Client) -> None:
    User.objects.filter(pk=stranger.pk).update(is_staff=True)
    assert stranger_client.get("/admin/", follow=True).status_code == 403


@pytest.mark.parametrize("who", ["viewer", "operator"])
def test_only_administrators_see_people_and_programs(
    who: str, administrator: User, request: pytest.FixtureRequest
) -> None:
    browser: Client = request.getfixturevalue(f"{who}_client")
    for path in ("/admin/auth/user/", "/admin/auth/group/", "/admin/allauth_idp_oidc/client/"):
        assert browser.get(path).status_code == 403
    assert browser.post(page_of(administrator), {}).status_code == 403


# --- What administrators do -------------------------------------------------------------------


def test_an_administrator_makes_a_user_and_gives_a_role(administrator_client: Client) -> None:
    made = administrator_client.post(
        "/admin/auth/user/add/",
        {
            "username": "nora",
            "email": "nora@example.com",
            "usable_password": "true",
            "password1": NEW,
            "password2": NEW,
        },
    )
    nora = User.objects.get(username="nora")
    assert made["Location"] == page_of(nora)
    assert nora.email == "nora@example.com"
    save(administrator_client, nora, groups=[group("operators")])
    assert nora.has_perm("findings.change_threatpolicy")
    browser = Client()
    sign_in(browser, "nora", NEW)
    assert is_signed_in(browser)


def test_an_administrator_makes_a_user_inactive_and_their_session_ends(
    administrator_client: Client, viewer: User, viewer_client: Client
) -> None:
    save(administrator_client, viewer, is_active=None)
    assert not viewer.is_active
    assert not is_signed_in(viewer_client)


def test_an_administrator_sets_the_password_of_another(
    administrator_client: Client, viewer: User
) -> None:
    data = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    administrator_client.post(f"/admin/auth/user/{viewer.pk}/password/", data)
    viewer.refresh_from_db()
    assert viewer.check_password(NEW)


def test_an_administrator_helps_who_has_lost_the_second_factor(
    administrator_client: Client, viewer: User, superuser: User
) -> None:
    for user in (viewer, superuser):
        Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "x"})
    answer = administrator_client.post(
        "/admin/auth/user/",
        {"action": "remove_second_factors", "_selected_action": [viewer.pk, superuser.pk]},
        follow=True,
    )
    assert Authenticator.objects.get().user == superuser
    assert "You do not have permission to change root." in answer.content.decode()
    assert LogEntry.objects.get().object_repr == "vera"


def test_users_are_never_deleted(superuser_client: Client, viewer: User) -> None:
    delete = f"/admin/auth/user/{viewer.pk}/delete/"
    assert superuser_client.post(delete, {"post": "yes"}).status_code == 403
    superuser_client.post(
        "/admin/auth/user/",
        {"action": "delete_selected", "_selected_action": [viewer.pk], "post": "yes"},
    )
    assert User.objects.filter(pk=viewer.pk).exists()


def test_what_gives_access_asks_for_the_password(administrator: User, viewer: User) -> None:
    browser = Client()
    browser.force_login(administrator)
    password = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    for path, sent in (
        ("/admin/auth/user/add/", {"username": "nora", **password}),
        (page_of(viewer), fields_of(viewer, groups=[group("administrators")])),
        (page_of(viewer), fields_of(viewer, email="ada@example.com")),
        (f"/admin/auth/user/{viewer.pk}/password/", password),
        ("/admin/auth/user/", {"action": "remove_second_factors", "_selected_action": viewer.pk}),
    ):
        asked = browser.post(path, sent)
        assert asked["Location"].startswith("/accounts/reauthenticate/"), path
    assert save(browser, viewer, is_active=None)["Location"] == "/admin/auth/user/"
    assert not viewer.is_active
    assert viewer.check_password(PASSWORD)


# --- What they cannot -------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["administrator", "viewer"])
def test_nobody_becomes_a_superuser_or_gets_a_permission_by_the_form(
    target: str, administrator_client: Client, request: pytest.FixtureRequest
) -> None:
    user: User = request.getfixturevalue(target)
    before = user.get_all_permissions()
    every = list(Permission.objects.values_list("pk", flat=True))
    save(administrator_client, user, is_superuser="on", is_staff="on", user_permissions=every)
    user = User.objects.get(pk=user.pk)
    assert (user.is_superuser, user.is_staff) == (False, False)
    assert user.get_all_permissions() == before


def test_nobody_is_made_a_superuser(administrator_client: Client) -> None:
    administrator_client.post(
        "/admin/auth/user/add/",
        {
            "username": "nora",
            "usable_password": "true",
            "password1": NEW,
            "password2": NEW,
            "is_superuser": "on",
            "groups": [group("administrators")],
        },
    )
    nora = User.objects.get(username="nora")
    assert not nora.is_superuser
    assert not nora.get_all_permissions()


def test_a_superuser_is_not_theirs_to_change(administrator_client: Client, superuser: User) -> None:
    assert save(administrator_client, superuser, is_active=None).status_code == 403
    assert save(administrator_client, superuser, email="ada@example.com").status_code == 403
    data = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    password = administrator_client.post(f"/admin/auth/user/{superuser.pk}/password/", data)
    assert password.status_code == 403
    superuser.refresh_from_db()
    assert superuser.is_active
    assert superuser.email == "root@example.com"
    assert superuser.check_password(PASSWORD)


def test_a_group_with_more_power_is_not_theirs_to_give(
    administrator_client: Client, administrator: User, viewer: User
) -> None:
    powerful = Group.objects.create(name="powerful")
    powerful.permissions.set(Permission.objects.all())
    save(administrator_client, administrator, groups=[group("administrators"), powerful.pk])
    assert not administrator.groups.filter(pk=powerful.pk).exists()
    viewer.groups.add(powerful)
    save(administrator_client, viewer, first_name="Vera")
    assert viewer.groups.filter(pk=powerful.pk).exists()  # it is not lost by another change


def test_groups_are_as_the_migration_made_them(superuser_client: Client) -> None:
    viewers = group("viewers")
    assert superuser_client.get(f"/admin/auth/group/{viewers}/change/").status_code == 200
    every = list(Permission.objects.values_list("pk", flat=True))
    data = {"name": "viewers", "permissions": every}
    for path in (f"{viewers}/change/", f"{viewers}/delete/", "add/"):
        assert superuser_client.post(f"/admin/auth/group/{path}", data).status_code == 403


def test_a_superuser_makes_another(superuser_client: Client, viewer: User) -> None:
    save(superuser_client, viewer, is_superuser="on")
    assert viewer.is_superuser


# --- Programs ---------------------------------------------------------------------------------


def test_the_list_of_programs_shows_no_hash(administrator_client: Client) -> None:
    program = OAuthClient(name="pipeline", scopes="findings:read")
    program.set_secret("hush")
    program.save()
    for path in ("", f"{program.pk}/change/"):
        page = administrator_client.get(f"/admin/allauth_idp_oidc/client/{path}").content.decode()
        assert "pipeline" in page
        assert "findings:read" in page
        assert program.secret not in page
        assert program.secret.rpartition("$")[2] not in page


def test_a_program_is_not_changed_nor_made_here(superuser_client: Client) -> None:
    program = OAuthClient.objects.create(name="pipeline", scopes="findings:read")
    data = {"name": "pipeline", "scopes": "findings:write"}
    for path in (f"{program.pk}/change/", "add/"):
        url = f"/admin/allauth_idp_oidc/client/{path}"
        assert superuser_client.post(url, data).status_code == 403


def test_what_allauth_keeps_inside_is_not_shown(superuser_client: Client) -> None:
    page = superuser_client.get("/admin/").content.decode()
    for name in ("authenticator", "emailaddress", "socialapp", "socialtoken", "token"):
        assert f"/{name}/" not in page
