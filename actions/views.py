from __future__ import annotations

from typing import cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.api_auth import Caller
from actions import approval, breaker, by_hand, containment, fill, log, paths, undo
from actions.forms import ExceptionForm, ReasonForm
from actions.models import CONTAINMENT, Allowance, Reaction, State
from findings.models import Finding
from storage import capped, filters, paging

may_see = permission_required("actions.view_reaction", raise_exception=True)
may_act = permission_required("actions.add_reaction", raise_exception=True)

SHOWN_WAITING = 50

HERE = "api:get_actions"  # the page and the API resource share a URL


@require_safe
@login_required
@may_see
def action_list(request: HttpRequest) -> HttpResponse:
    """Shows the Actions page: the log of actions, newest first, with filters."""
    wanted = paging.wanted(request)
    form = log.ActionFilter(wanted)
    waiting = Reaction.objects.waiting(timezone.now()).select_related("finding").order_by("due_at")
    shown_waiting = list(waiting[:SHOWN_WAITING])
    context = {
        "form": form,
        "wanted": wanted,
        "chips": filters.chips(form, wanted, request.path),
        "presets": filters.presets(
            form, "period", wanted, request.path, instead_of=("since", "until")
        ),
        "sorts": filters.heads(log.COLUMNS, wanted, request.path),
        "is_dry_run": not containment.is_on(),
        "waiting": breaker.waiting() if breaker.tripped() else 0,
        "nearly_full": [one for one in fill.levels() if one.is_nearly_full],
        "waiting_for_approval": shown_waiting,
        "number_waiting": capped.count(waiting) if shown_waiting else 0,
        "may_approve": approval.who_may() if shown_waiting else [],
        "limit": settings.MAX_CONTAINMENTS_PER_HOUR,
        "paths": paths.PATHS,
        "may_act": request.user.has_perm("actions.add_reaction"),
    }
    if not form.is_valid():
        return render(request, "actions/log.html", context)
    shown = log.PAGER.shown(request, log.listed(form.asked()))
    context |= {"shown": shown, "undoable": log.undoable(shown.rows)}
    return render(request, "actions/log.html", context)


@require_POST
@may_act
def undo_containment(request: HttpRequest, pk: int) -> HttpResponse:
    """Requests the undo of a containment, with a reason; 404 for other actions."""
    containment = get_object_or_404(Reaction, pk=pk, kind__in=CONTAINMENT)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, "State the reason. Nothing was changed.")
        return redirect(HERE)
    by = caller_of(request)
    why = f"Requested by {by.name}: {form.cleaned_data['reason']}"
    undone = undo.undo(containment, why=why, by=by, at=timezone.now())
    if undone:
        messages.success(request, f"{undone} was requested. A worker carries it out.")
    else:
        text = "has nothing in force to undo, or it is being undone already."
        messages.info(request, f"{containment.target} {text}")
    return redirect(HERE)


def caller_of(request: HttpRequest) -> Caller:
    """Returns the signed-in user as a caller."""
    user = cast(User, request.user)
    return Caller(name=user.get_username(), user=user)


@require_POST
@may_act
def allow(request: HttpRequest, pk: int) -> HttpResponse:
    """Adds the target of a containment to the allowlist for its finding type, with a reason."""
    reaction = get_object_or_404(
        Reaction.objects.exclude(target="").exclude(finding=None).select_related("finding"),
        pk=pk,
        kind__in=CONTAINMENT,
    )
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, "State the reason. Nothing was changed.")
        return redirect(HERE)
    name, finding_type = reaction.target, cast(Finding, reaction.finding).finding_type
    added = undo.allow(
        reaction.target_kind,
        name,
        finding_type,
        reason=form.cleaned_data["reason"],
        ends_at=None,
        by=cast(User, request.user),
        at=timezone.now(),
    )
    if added:
        text = f"{name} is on the allowlist for {finding_type}."
        messages.success(request, f"{text} Earlier actions are not undone.")
    else:
        messages.info(request, f"{name} is already on the allowlist for {finding_type}.")
    return redirect("actions:allowlist")


@require_POST
@may_act
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Approves or rejects an action that waits for it (`verdict`), with a reason."""
    reaction = get_object_or_404(Reaction, pk=pk)
    form = ReasonForm(request.POST)
    verdict = request.POST.get("verdict")
    if not form.is_valid() or verdict not in {"approve", "reject"}:
        messages.error(request, "State the reason. Nothing was changed.")
        return redirect(HERE)
    decided = approval.decide(
        reaction,
        approved=verdict == "approve",
        reason=form.cleaned_data["reason"],
        by=caller_of(request),
        at=timezone.now(),
    )
    if decided is None:
        messages.info(request, f"{reaction} no longer waits for an approval.")
    elif verdict == "reject":
        messages.success(request, f"{reaction} was rejected.")
    elif decided.state == State.PENDING:
        messages.success(request, f"{reaction} was approved. A worker carries it out.")
    else:
        messages.warning(request, f"{reaction} was approved, but not done. {decided.outcome}")
    return redirect(HERE)


@require_http_methods(["GET", "HEAD", "POST"])
@may_see
def allowlist(request: HttpRequest) -> HttpResponse:
    """Shows the allowlist, newest entry first; POST adds an exception for every finding type."""
    may_add = request.user.has_perm("actions.add_reaction")
    form = ExceptionForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        if not may_add:
            raise PermissionDenied
        if form.is_valid():
            try:
                added = by_hand.allow(form.request(), by=caller_of(request), at=timezone.now())
            except by_hand.NotPossible as reason:
                form.add_error("name", str(reason))
            else:
                name = form.cleaned_data["name"]
                if added:
                    messages.success(request, f"{name} is on the allowlist for every finding type.")
                else:
                    messages.info(request, f"{name} is already on the allowlist.")
                return redirect("actions:allowlist")
    allowances = (
        Allowance.objects.in_force(timezone.now()).select_related("added_by").order_by("-pk")
    )
    context = {
        "allowances": allowances,
        "may_act": may_add,
        "form": form,
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
