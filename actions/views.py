from __future__ import annotations

from typing import cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from actions import breaker, containment, fill, log, undo
from actions.models import Allowance, Reaction, ReactionKind
from storage import paging

may_see = permission_required("actions.view_reaction", raise_exception=True)
may_act = permission_required("actions.add_reaction", raise_exception=True)

HERE = "api:get_actions"  # the page and the API resource share a URL


@require_safe
@login_required
@may_see
def action_list(request: HttpRequest) -> HttpResponse:
    """Shows the Actions page: the log of actions, newest first, with filters."""
    wanted = paging.wanted(request)
    form = log.ActionFilter(wanted)
    context = {
        "form": form,
        "wanted": wanted,
        "is_dry_run": not containment.is_on(),
        "waiting": breaker.waiting() if breaker.tripped() else 0,
        "nearly_full": [one for one in fill.levels() if one.is_nearly_full],
        "limit": settings.MAX_CONTAINMENTS_PER_HOUR,
        "may_act": request.user.has_perm("actions.add_reaction"),
    }
    if not form.is_valid():
        return render(request, "actions/log.html", context)
    shown = log.PAGER.shown(request, log.listed(form.asked()))
    context |= {"shown": shown, "undoable": log.undoable(shown.rows)}
    return render(request, "actions/log.html", context)


@require_POST
@may_act
def unblock(request: HttpRequest, pk: int) -> HttpResponse:
    """Requests the unblock of a blocked address; 404 if the action is not a block."""
    block = get_object_or_404(Reaction, pk=pk, kind=ReactionKind.BLOCK)
    if undo.unblock(block, by=cast(User, request.user), at=timezone.now()):
        messages.success(request, f"{block.target} will be unblocked.")
    else:
        messages.info(request, f"{block.target} is not blocked, or is already being unblocked.")
    return redirect(HERE)


@require_POST
@may_act
def allow(request: HttpRequest, pk: int) -> HttpResponse:
    """Adds the target of a block or revocation to the allowlist for its finding type."""
    reaction = get_object_or_404(
        Reaction.objects.exclude(target="").select_related("finding"),
        pk=pk,
        kind__in=[ReactionKind.BLOCK, ReactionKind.REVOKE],
    )
    name, finding_type = reaction.target, reaction.finding.finding_type
    if undo.allow(reaction, by=cast(User, request.user), at=timezone.now()):
        text = f"{name} is on the allowlist for {finding_type}."
        messages.success(request, f"{text} Earlier actions are not undone.")
    else:
        messages.info(request, f"{name} is already on the allowlist for {finding_type}.")
    return redirect("actions:allowlist")


@require_safe
@may_see
def allowlist(request: HttpRequest) -> HttpResponse:
    """Shows the allowlist, newest entry first."""
    allowances = Allowance.objects.in_force().select_related("added_by").order_by("-pk")
    context = {
        "allowances": allowances,
        "may_act": request.user.has_perm("actions.add_reaction"),
    }
    return render(request, "actions/allowlist.html", context)


@require_POST
@may_act
def take_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Removes an allowlist entry."""
    allowance = get_object_or_404(Allowance, pk=pk)
    undo.take_back(allowance, by=cast(User, request.user), at=timezone.now())
    messages.success(request, f"Removed from the allowlist: {allowance}.")
    return redirect("actions:allowlist")


@require_POST
@may_act
def reset_breaker(request: HttpRequest) -> HttpResponse:
    """Resets the circuit breaker; `waiting=drop` cancels the pending containments."""
    drop = request.POST.get("waiting") == "drop"
    if not breaker.tripped():
        messages.info(request, "Another user already reset the circuit breaker.")
        return redirect(HERE)
    dropped = breaker.reset(by=cast(User, request.user), at=timezone.now(), drop=drop)
    canceled = f" Pending actions canceled: {dropped}." if drop else ""
    messages.success(request, f"Containment resumed.{canceled}")
    return redirect(HERE)
