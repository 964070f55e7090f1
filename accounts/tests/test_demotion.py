"""While the license allows no writes, the admin's user form can only remove permissions."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

pytestmark = [pytest.mark.usefixtures("expired_license"), pytest.mark.one_database]  # forms


@pytest.fixture
def leaver(operator: User) -> User:
    operator.groups.add(Group.objects.get(name="viewers"))
    return operator


def form(user: User, **changed: Any) -> dict[str, Any]:
    """Returns the form data of the user with the changes; None omits a field."""
    fields = {
        "username": user.username,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email": user.email,
        "groups": [group.pk for group in user.groups.all()],
        "is_active": "on" if user.is_active else None,
        "is_superuser": "on" if user.is_superuser else None,
    }
    return {name: value for name, value in (fields | changed).items() if value is not None}


def save(client: Client, user: User, **changed: Any) -> int:
    path = f"/admin/auth/user/{user.pk}/change/"
    return client.post(path, form(user, **changed)).status_code


def test_a_person_can_be_deactivated(administrator_client: Client, leaver: User) -> None:
    assert save(administrator_client, leaver, is_active=None) == 302
    leaver.refresh_from_db()
    assert not leaver.is_active


def test_a_group_can_be_taken_away(administrator_client: Client, leaver: User) -> None:
    viewers = Group.objects.get(name="viewers")
    assert save(administrator_client, leaver, groups=[viewers.pk]) == 302
    assert list(leaver.groups.all()) == [viewers]


def test_a_superuser_can_be_demoted(superuser_client: Client, groups: None) -> None:
    other = User.objects.create_superuser("other")
    assert save(superuser_client, other, is_superuser=None) == 302
    other.refresh_from_db()
    assert not other.is_superuser


@pytest.mark.parametrize(
    "changed",
    [
        {"email": "elsewhere@example.com"},
        {"username": "other"},
        {"first_name": "New"},
        {"is_superuser": "on"},
        {"is_superuser": ""},  # the admin reads a box by its presence
    ],
)
def test_nothing_else_can_be_changed(
    superuser_client: Client, leaver: User, changed: dict[str, Any]
) -> None:
    before = User.objects.values().get(pk=leaver.pk)
    assert save(superuser_client, leaver, is_active=None, **changed) == 403
    assert User.objects.values().get(pk=leaver.pk) == before


def test_a_group_cannot_be_given(superuser_client: Client, leaver: User) -> None:
    before = set(leaver.groups.all())
    every = [group.pk for group in Group.objects.all()]
    assert save(superuser_client, leaver, groups=every) == 403
    assert set(leaver.groups.all()) == before


def test_nobody_is_activated(superuser_client: Client, leaver: User) -> None:
    User.objects.filter(pk=leaver.pk).update(is_active=False)
    assert save(superuser_client, leaver, is_active="on") == 403
    leaver.refresh_from_db()
    assert not leaver.is_active


@pytest.mark.parametrize("pk", ["0", "x", "1" * 30, "\N{ARABIC-INDIC DIGIT ONE}", "1_1"])
def test_nobody_is_nobody(superuser_client: Client, pk: str) -> None:
    assert superuser_client.post(f"/admin/auth/user/{pk}/change/", {}).status_code in {302, 403}


@pytest.mark.parametrize("who", ["client", "viewer_client"])
def test_the_answer_tells_nobody_else_what_is_stored(
    who: str, leaver: User, request: pytest.FixtureRequest
) -> None:
    client = request.getfixturevalue(who)
    as_stored = client.post(f"/admin/auth/user/{leaver.pk}/change/", form(leaver))
    other = client.post(f"/admin/auth/user/{leaver.pk}/change/", form(leaver, email="x@y.z"))
    assert as_stored.status_code == other.status_code == 403
    assert as_stored.json() == other.json()


def test_a_viewer_deactivates_nobody(viewer_client: Client, leaver: User) -> None:
    assert save(viewer_client, leaver, is_active=None) == 403
    leaver.refresh_from_db()
    assert leaver.is_active
