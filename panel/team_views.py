"""The Team page: the people who act for a customer, and invitations."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from allauth.core.internal import ratelimit  # the public one counts by allauth.account's rates only
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from panel import customers, roles, teams
from panel.customers import Refused
from panel.forms import InvitationForm, RoleForm
from panel.models import Member, Role
from panel.roles import POWERS, Power

RATES = {"invite": "20/h/user,60/h/ip"}  # mail to any address


def insist(request: HttpRequest, power: Power) -> Member:
    """Returns the membership of the signed-in user. Raises PermissionDenied without the power."""
    member = customers.member_of(cast(User, request.user))
    if not roles.may(member, power):
        owners = ", ".join(roles.addresses(member.customer, Power.TEAM))
        msg = (
            f"Your role, {member.get_role_display()}, may not {power}. An owner of your team can"
            f" change your role: {owners}."
        )
        raise PermissionDenied(msg)
    return member


@require_safe
@never_cache
def team(request: HttpRequest) -> HttpResponse:
    """Lists members, invitations and roles, and the invitations of the signed-in user."""
    return _page(request, InvitationForm())


@require_POST
def invite(request: HttpRequest) -> HttpResponse:
    """Invites a person by mail."""
    member = insist(request, Power.TEAM)
    form = InvitationForm(request.POST)
    if not form.is_valid():
        return _page(request, form)
    if not ratelimit.consume(request, app="panel", action="invite", config=RATES):
        return render(request, "429.html", status=429)
    email, role = form.cleaned_data["email"], Role(form.cleaned_data["role"])
    try:
        teams.invite(member.customer, email=email, role=role, by=member.user, at=timezone.now())
    except Refused as refused:
        form.add_error("email", str(refused))
        return _page(request, form)
    messages.success(request, f"We have emailed an invitation to {email}.")
    return redirect("team")


@require_POST
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Withdraws an invitation."""
    member = insist(request, Power.TEAM)
    invitation = get_object_or_404(member.customer.invitations, pk=pk)
    teams.withdraw(invitation, by=member.user, at=timezone.now())
    messages.success(request, f"The invitation of {invitation.email} is withdrawn.")
    return redirect("team")


@require_POST
def answer(request: HttpRequest, pk: int) -> HttpResponse:
    """Accepts or declines an invitation to the address of the signed-in user."""
    user, at = cast(User, request.user), timezone.now()
    invitation = get_object_or_404(teams.invitations_for(user, at), pk=pk)
    if request.POST.get("answer") != "accept":
        teams.withdraw(invitation, by=user, at=at)
        messages.success(request, "You have declined the invitation.")
        return redirect("team")
    return _done(
        request, lambda: teams.accept(invitation, user=user, at=at), "You have joined the team."
    )


@require_POST
def change_role(request: HttpRequest, pk: int) -> HttpResponse:
    """Changes the role of a member."""
    member = insist(request, Power.TEAM)
    other = get_object_or_404(member.customer.members.select_related("user"), pk=pk)
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose a role.")
        return redirect("team")
    role = Role(form.cleaned_data["role"])
    return _done(
        request,
        lambda: teams.set_role(other, role, by=member.user, at=timezone.now()),
        f"{other.user.email} has the role {role.label}.",
    )


@require_POST
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Removes a member. Every member can remove themselves."""
    member = customers.member_of(cast(User, request.user))
    if pk != member.pk:
        insist(request, Power.TEAM)
    other = get_object_or_404(member.customer.members.select_related("user"), pk=pk)
    return _done(
        request,
        lambda: teams.remove(other, by=member.user, at=timezone.now()),
        "You have left the team." if other == member else f"{other.user.email} is removed.",
    )


def _done(request: HttpRequest, do: Callable[[], object], said: str) -> HttpResponse:
    try:
        do()
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, said)
    return redirect("team")


def _page(request: HttpRequest, form: InvitationForm) -> HttpResponse:
    user, at = cast(User, request.user), timezone.now()
    member = customers.member_of(user)
    rows = member.customer.members.select_related("user").order_by("user__email")
    context = {
        "member": member,
        "members": [(row, RoleForm(initial={"role": row.role}, auto_id=False)) for row in rows],
        "invitations": member.customer.invitations.select_related("invited_by").order_by("email"),
        "invitations_end_before": at - teams.INVITATION_LASTS,
        "for_me": teams.invitations_for(user, at),
        "may_change": roles.may(member, Power.TEAM),
        "roles": [(role.label, [power in POWERS[role] for power in Power]) for role in Role],
        "powers": list(Power),
        "form": form,
    }
    return render(request, "panel/team.html", context)
