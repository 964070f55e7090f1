"""Pages that combine several apps."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from actions import hand_views
from console import dashboard as overview
from console import entity as entity_page
from console import event as event_page
from findings import accounts, events
from findings.models import Entity, Finding
from storage import paging


@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """Shows the dashboard; redirects to the Threats page without permission to view findings."""
    if not request.user.has_perm("findings.view_finding"):
        return redirect("findings:threats")
    shown = overview.dashboard(timezone.now())
    context = {
        "shown": shown,
        "severities": overview.SEVERITIES,
        "height": overview.HEIGHT,
        "width": overview.DAYS * overview.STEP,
        "bar": overview.BAR,
        "is_empty": not shown.total and not Finding.objects.exists(),
    }
    return render(request, "console/dashboard.html", context)


@require_safe
@permission_required("findings.view_finding", raise_exception=True)
def event(request: HttpRequest, pk: int) -> HttpResponse:
    """Shows all that one finding says, its actions, and links to its neighbors and to AWS."""
    finding = get_object_or_404(Finding, pk=pk)
    accounts.give_names([finding])
    may_act = request.user.has_perm("actions.add_reaction")
    context = {
        "finding": finding,
        **event_page.shown(finding),
        "reactions": finding.reactions.order_by("pk")
        .select_related("verdict")
        .prefetch_related("attempts"),
        "neighbors": event_page.neighbors(finding, events.EventFilter(paging.wanted(request))),
        "hand": hand_views.form_about(hand_views.named_by(finding)) if may_act else None,
        "hand_url": reverse("actions:on_event", args=[pk]),
    }
    return render(request, "console/event.html", context)


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
        "hand": hand_views.form_about([found]) if may_act else None,
        "hand_url": reverse("actions:on_entity", args=[pk]),
    }
    return render(request, "console/entity.html", context)
