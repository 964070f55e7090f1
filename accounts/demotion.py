"""The changes of a user that the admin accepts while the license does not allow writes."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpRequest

SAME = ("username", "first_name", "last_name", "email")


def only_takes_power_away(request: HttpRequest, object_id: str) -> bool:
    """Whether the submitted user form only deactivates the user or removes groups.

    Compares the form with the stored user. A missing field counts as the admin reads it: an
    unchecked box or empty text.
    """
    if not object_id.isdecimal() or not request.user.has_perm("auth.change_user"):
        return False  # discloses nothing to others
    users = User.objects.filter(pk=object_id)
    if connection.in_atomic_block:  # of accounts.middleware: locks the user until the commit
        users = users.select_for_update(no_key=True)
    user = users.first()
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
