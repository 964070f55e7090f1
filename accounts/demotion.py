"""The changes of users and API clients that are accepted while the license allows no writes."""

from __future__ import annotations

from typing import Any

from allauth.idp.oidc.models import Client
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import people, roles

SAME = ("username", "first_name", "last_name", "email")


def only_takes_power_away(request: HttpRequest, object_id: str) -> bool:
    """Whether the submitted user form only deactivates the user or removes groups.

    Compares the form with the stored user. A missing field counts as the admin reads it: an
    unchecked box or empty text.
    """
    user = _user(request, object_id)
    if user is None:
        return False
    sent = request.POST
    groups = {str(pk) for pk in user.groups.values_list("pk", flat=True)}
    return (
        all(sent.get(name, "") == getattr(user, name) for name in SAME)
        and groups.issuperset(sent.getlist("groups"))
        and user.is_active >= ("is_active" in sent)
        and user.is_superuser >= ("is_superuser" in sent)
    )


def only_lowers_role(request: HttpRequest, pk: int) -> bool:
    """Whether the form of the People page gives the user a role with less power, or none."""
    role = request.POST.get("role")
    user = _user(request, str(pk))
    return role in {"", *roles.NAMES} and user is not None and people.lowers(user, role)


def only_removes_scopes(request: HttpRequest, pk: str) -> bool:
    """Whether the form of an API client only removes scopes, and leaves at least one."""
    sent = set(request.POST.getlist("scopes"))
    if not sent or not request.user.has_perm("allauth_idp_oidc.change_client"):
        return False
    client = _locked(Client.objects.filter(pk=pk)).first()
    return client is not None and sent <= set(client.get_scopes())


def _user(request: HttpRequest, pk: str) -> User | None:
    """Returns the user, if the caller may change users; discloses nothing to others."""
    if not pk.isdecimal() or not request.user.has_perm("auth.change_user"):
        return None
    return _locked(User.objects.filter(pk=pk)).first()


def _locked(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Returns rows that are locked until the commit of the write, see accounts.middleware."""
    return rows.select_for_update(no_key=True) if connection.in_atomic_block else rows
