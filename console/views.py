"""Pages that combine several apps."""

from __future__ import annotations

import json

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from console import dashboard as overview
from findings import accounts, events
from findings.models import Finding


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
    """Shows one finding with its actions, actor, affected resources and raw JSON."""
    finding = get_object_or_404(Finding, pk=pk)
    accounts.give_names([finding])
    actors, resources = events.named_by(finding)
    context = {
        "finding": finding,
        "parsed": finding.parsed,
        "actors": actors,
        "resources": resources,
        "reactions": finding.reactions.order_by("pk").prefetch_related("attempts"),
        "raw": json.dumps(json.loads(finding.raw), indent=2),
    }
    return render(request, "console/event.html", context)
