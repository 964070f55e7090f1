"""Pages that combine several apps."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.api_auth import Caller
from actions import hand_views, members
from actions.offers import ActionTarget
from console import dashboard as overview
from console import entity as entity_page
from console import event as event_parts
from console import onboarding
from findings import accounts, events, triage
from findings.models import Entity, Finding, TriageEntry
from findings.triage_forms import TriageForm
from license.middleware import LicensedRequest
from storage import filters, paging


@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """Shows the dashboard; redirects to the Threats page without permission to view findings."""
    if not request.user.has_perm("findings.view_finding"):
        return redirect("findings:threats")
    asked = request.GET.get("period", "")
    shown_range = next((one for one in overview.RANGES if one.period == asked), overview.DEFAULT)
    now = timezone.now()
    shown = overview.dashboard(now, shown_range)
    context = {
        "shown": shown,
        "range": shown_range,
        "ranges": overview.RANGES,
        "onboarding": onboarding.steps(cast(LicensedRequest, request)),
        "needs": overview.needs(now, shown_range),
        "severities": overview.SEVERITIES,
        "height": overview.HEIGHT,
        "width": overview.WIDTH,
        "bar": round(overview.WIDTH / shown_range.bars * 0.75, 1),
        "is_empty": not shown.total and not Finding.objects.exists(),
    }
    return render(request, "console/dashboard.html", context)


@require_safe
@permission_required("findings.view_finding", raise_exception=True)
def event(request: HttpRequest, pk: int) -> HttpResponse:
    """Shows all that one finding says, its triage and actions, and links to its neighbors."""
    return event_page(request, pk)


@require_POST
@permission_required(["findings.view_finding", "findings.triage_finding"], raise_exception=True)
def triage_event(request: HttpRequest, pk: int) -> HttpResponse:
    """Sets the status and the assignee of one finding, and adds a note."""
    finding = get_object_or_404(Finding.objects.select_related("assignee"), pk=pk)
    form = TriageForm(request.POST, finding=finding)
    if not form.is_valid():
        return event_page(request, pk, triage_form=form)
    user = cast(User, request.user)
    by = Caller(name=user.get_username(), user=user)
    source = TriageEntry.Source.PAGE
    if triage.triage([pk], form.change(), by=by, source=source, at=timezone.now()):
        messages.success(request, "The triage is saved.")
    else:
        messages.info(request, "Nothing has changed.")
    query = request.GET.urlencode()  # the list that the event belongs to
    return redirect(reverse("console:event", args=[pk]) + (f"?{query}" if query else ""))


def event_page(request: HttpRequest, pk: int, **context: Any) -> HttpResponse:
    """Returns the page of one finding; a refused form in `context` takes the place of its own."""
    rows = Finding.objects.select_related("assignee", "archive_copy")
    finding = get_object_or_404(rows, pk=pk)
    accounts.give_names([finding])
    may_triage = request.user.has_perm("findings.triage_finding")
    may_act = request.user.has_perm("actions.add_reaction")
    context = {
        "triage_form": TriageForm(finding=finding) if may_triage else None,
        "triage_log": triage.log_of(finding),
        "finding": finding,
        **event_parts.shown(finding),
        "copy": getattr(finding, "archive_copy", None),
        "reactions": finding.reactions.order_by("pk").prefetch_related("attempts"),
        "neighbors": event_parts.neighbors(finding, events.EventFilter(paging.wanted(request))),
        "hand": hand_views.form_about(hand_views.named_by(finding)) if may_act else None,
        "hand_url": reverse("actions:on_event", args=[pk]),
        **context,
    }
    return render(request, "console/event.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("findings.view_finding", raise_exception=True)
def account_list(request: HttpRequest) -> HttpResponse:
    """Shows the AWS accounts and their roles; POST sets or removes the name of one."""
    may_change = request.user.has_perm("findings.change_accountname")
    if request.method == "POST":
        if not may_change:
            raise PermissionDenied
        form = accounts.NameForm(request.POST)
        if form.is_valid():
            form.save()
            name, account_id = form.cleaned_data["name"], form.cleaned_data["account_id"]
            text = f"is now named {name}" if name else "no longer has a name"
            messages.success(request, f"{account_id} {text}.")
            return redirect("console:accounts")
    known, reach = accounts.known(), members.Reach.now()
    asked = (request.POST or request.GET).get("account_id", "")
    if request.method != "POST":
        # Fill in the current name: submitting the form with an empty name removes it.
        name = next((one.name for one in known if one.account_id == asked), "")
        form = accounts.NameForm(initial={"account_id": asked, "name": name})
    context = {
        "form": form,
        # The listed account whose row has the form.
        "edited": asked if may_change and any(one.account_id == asked for one in known) else "",
        "known": [
            (one, reach.of(one.account_id))
            for one in accounts.in_order(known, request.GET.get("sort", ""))
        ],
        "sorts": filters.heads(
            accounts.COLUMNS, {"sort": request.GET.get("sort", "")}, request.path
        ),
        "may_change": may_change,
        "may_act": request.user.has_perm("actions.add_reaction"),
        "role": members.ROLE,
    }
    return render(request, "console/accounts.html", context)


@require_POST
@permission_required("actions.add_reaction", raise_exception=True)
def try_role(request: HttpRequest, account_id: str) -> HttpResponse:
    """Asks a worker to try the role of an AWS account; 404 if the portal may not act there."""
    try:
        members.ask(account_id, at=timezone.now())
    except ValueError:
        raise Http404 from None
    messages.success(request, f"A worker tries the role in {account_id}.")
    return redirect("console:accounts")


@require_safe
@permission_required("findings.view_finding", raise_exception=True)
def entity(request: HttpRequest, pk: int) -> HttpResponse:
    """Shows what is known of one entity, and what is in force about it."""
    found = get_object_or_404(Entity, pk=pk)
    may_act = request.user.has_perm("actions.add_reaction")
    context = {
        "entity": found,
        "known": entity_page.known(found, at=timezone.now()),
        "height": entity_page.HEIGHT,
        "width": entity_page.DAYS * entity_page.STEP,
        "days": entity_page.DAYS,
        "hand": hand_views.form_about([ActionTarget.of(found)]) if may_act else None,
        "hand_url": reverse("actions:on_entity", args=[pk]),
    }
    return render(request, "console/entity.html", context)
