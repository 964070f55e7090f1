"""The pages of people. Each change that gives power asks for the password or a factor again."""

from __future__ import annotations

from typing import Any, cast

from allauth.idp.oidc.models import Client
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import people, roles, step_up
from accounts.people import Person, Refused
from accounts.people_forms import InvitationForm, PeopleFilter, RoleForm
from storage import paging
from storage.locks import advisory_lock
from storage.paging import NumberPager

PAGER = NumberPager(50)


@require_safe
@permission_required("auth.view_user", raise_exception=True)
def people_list(request: HttpRequest) -> HttpResponse:
    """Lists all users: active ones first, then by name."""
    wanted = paging.wanted(request)
    form = PeopleFilter(wanted)
    users = people.everyone()
    if form.is_valid():
        users = form.narrow(users)
    shown = PAGER.shown(request, users)
    context = {
        "form": form,
        "wanted": wanted,
        "shown": shown,
        "people": [Person(user) for user in shown.rows],
    }
    return render(request, "account/people.html", context)


@require_safe
@permission_required("auth.view_user", raise_exception=True)
def person(request: HttpRequest, pk: int) -> HttpResponse:
    """Shows one user, and what can be changed."""
    return _page(request, pk)


def _page(request: HttpRequest, pk: int, **context: Any) -> HttpResponse:
    shown = Person(get_object_or_404(people.everyone(), pk=pk))
    context |= {
        "person": shown,
        "may_change": people.may_change(cast(User, request.user), shown.user),
        "form": RoleForm(initial={"role": shown.role}),
        "days": people.link_days(),
        "roles": roles.powers(),
        "owns_clients": Client.objects.filter(owner=shown.user).exists(),
    }
    return render(request, "account/person.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("auth.add_user", raise_exception=True)
@step_up.before_post
def invite(request: HttpRequest) -> HttpResponse:
    """Invites a person: by email, or with a link that is shown once."""
    if request.method == "POST":
        advisory_lock("people")  # of two at once for one address, the second is refused
    form = InvitationForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        sent = form.cleaned_data
        user = people.invite(sent["username"], sent["email"], sent["role"])
        return _deliver(request, user, by_mail=settings.MAIL_IS_SET_UP)
    context = {
        "form": form,
        "roles": roles.powers(),
        "days": people.link_days(),
        "provider": settings.OIDC_NAME if settings.OIDC_SERVER_URL else "",
    }
    return render(request, "account/invite.html", context)


def _deliver(request: HttpRequest, user: User, *, by_mail: bool) -> HttpResponse:
    link = people.new_link(user)
    if not by_mail:
        people.record_invitation(user, how="the link was shown")
        response = _page(request, user.pk, link=link)
        response["Cache-Control"] = "no-store"
        return response
    people.record_invitation(user, how="by email")

    def send() -> None:  # after the commit: a slow mail server must not hold up other writes
        if people.mail_link(request, user, link):
            messages.success(request, f"The invitation was sent to {user.email}.")
        else:
            messages.error(
                request,
                "The mail server did not take the invitation. Send it again, or show a link.",
            )

    transaction.on_commit(send)
    return redirect("person", user.pk)


def _changeable(request: HttpRequest, pk: int) -> User:
    """Returns the user. Raises Http404, and PermissionDenied if they are not to be changed."""
    user = get_object_or_404(User.objects.select_for_update(no_key=True), pk=pk)
    if not people.may_change(cast(User, request.user), user):
        raise PermissionDenied
    return user


@require_POST
@permission_required("auth.change_user", raise_exception=True)
@step_up.before_post
@transaction.atomic
def send_link(request: HttpRequest, pk: int) -> HttpResponse:
    """Makes a new link for an invited person; `show` shows it instead of sending it."""
    user = _changeable(request, pk)
    if not Person(user).is_invited:
        state = "has accepted the invitation already" if user.is_active else "is deactivated"
        messages.error(request, f"No link was made: {user} {state}.")
        return redirect("person", pk)
    by_mail = settings.MAIL_IS_SET_UP and user.email and "show" not in request.POST
    return _deliver(request, user, by_mail=bool(by_mail))


@require_POST
@permission_required("auth.change_user", raise_exception=True)
@transaction.atomic
def set_role(request: HttpRequest, pk: int) -> HttpResponse:
    """Gives a person another role."""
    user = _changeable(request, pk)
    form = RoleForm(request.POST)
    if "role" not in request.POST or not form.is_valid():
        messages.error(request, "Choose a role.")
        return redirect("person", pk)
    role = form.cleaned_data["role"]
    if not people.lowers(user, role):
        step_up.demand(request)
    try:
        people.set_role(user, role)
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        text = f"now has the role {role}" if role else "no longer has a role"
        messages.success(request, f"{user} {text}.")
    return redirect("person", pk)


@require_POST
@permission_required("auth.change_user", raise_exception=True)
@transaction.atomic
def deactivate(request: HttpRequest, pk: int) -> HttpResponse:
    """Deactivates a person, which ends their sessions and tokens."""
    user = _changeable(request, pk)
    try:
        people.deactivate(user, by=cast(User, request.user))
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, f"{user} is deactivated and signed out everywhere.")
    return redirect("person", pk)


@require_POST
@permission_required("auth.change_user", raise_exception=True)
@step_up.before_post
@transaction.atomic
def reactivate(request: HttpRequest, pk: int) -> HttpResponse:
    """Activates a person again."""
    user = _changeable(request, pk)
    people.reactivate(user)
    messages.success(request, f"{user} is active again.")
    return redirect("person", pk)


@require_POST
@permission_required("auth.change_user", raise_exception=True)
@step_up.before_post
@transaction.atomic
def remove_second_factors(request: HttpRequest, pk: int) -> HttpResponse:
    """Removes the second factors of a person who has lost them."""
    user = _changeable(request, pk)
    people.remove_second_factors(user)
    messages.success(request, f"{user} can now sign in with the password only.")
    return redirect("person", pk)
