"""What the Django admin's form of a person may do while the license allows no writes."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpRequest

SAME = ("username", "first_name", "last_name", "email")


def only_takes_power_away(request: HttpRequest, object_id: str) -> bool:
    """Whether the form that was sent at most deactivates the person and takes groups away.

    It compares the form's fields with what is stored. A field that is missing from the form is
    read as the admin reads it: an unticked box, an empty text.
    """
    if not object_id.isdecimal() or not request.user.has_perm("auth.change_user"):
        return False  # nor does the answer tell anybody else what is stored
    users = User.objects.filter(pk=object_id)
    if connection.in_atomic_block:  # of accounts.middleware: nobody changes the person meanwhile
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
