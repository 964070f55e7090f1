from __future__ import annotations

import json
from urllib.parse import urlencode

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from findings import events, policy, preview
from findings.bodies import read_as
from findings.catalogue import Severity
from findings.models import Action, Finding, PolicyChange, ThreatPolicy
from findings.schemas import PolicyUpdate
from findings.threats import sections

CHANGES_A_PAGE = 50


@require_safe
@permission_required("findings.view_finding", raise_exception=True)
def event_list(request: HttpRequest) -> HttpResponse:
    wanted = {name: value for name, value in request.GET.items() if value and name != "after"}
    form = events.EventFilter(wanted)
    if not form.is_valid():
        return render(request, "findings/events.html", {"form": form, "wanted": wanted})
    try:
        shown = events.page(form.narrow(Finding.objects.all()), after=request.GET.get("after", ""))
    except (ValueError, OverflowError):
        raise Http404("There is no such page.") from None
    context = {
        "form": form,
        "wanted": wanted,
        "shown": shown,
        "first": "after" not in request.GET,
        "newest": urlencode(wanted),
        "older": urlencode({**wanted, "after": shown.cursor}) if shown.cursor else "",
    }
    return render(request, "findings/events.html", context)


@require_safe
@permission_required("findings.view_finding", raise_exception=True)
def event(request: HttpRequest, pk: int) -> HttpResponse:
    finding = get_object_or_404(Finding, pk=pk)
    actors, resources = events.named_by(finding)
    context = {
        "finding": finding,
        "reading": finding.reading,
        "actors": actors,
        "resources": resources,
        "raw": json.dumps(json.loads(finding.raw), indent=2),
    }
    return render(request, "findings/event.html", context)


@require_safe
@permission_required("findings.view_threatpolicy", raise_exception=True)
def threats(request: HttpRequest) -> HttpResponse:
    settings = ThreatPolicy.objects.actions()
    shown = sections(settings)
    return render(
        request,
        "findings/threats.html",
        {
            "sections": shown,
            "types": sum(service.types for section in shown for service in section.services),
            "etag": policy.etag(settings),
            "may_change": request.user.has_perm("findings.change_threatpolicy"),
            "actions": Action.choices,
            "severities": Severity.choices,
        },
    )


@require_POST
@permission_required(["findings.view_threatpolicy", "findings.view_finding"], raise_exception=True)
def preview_changes(request: HttpRequest) -> HttpResponse:
    """What a body of PUT /findings would have done to the last days' findings; it sets nothing."""
    update = read_as(PolicyUpdate, request)
    if isinstance(update, HttpResponse):
        return update
    shown = preview.preview(update.settings(), at=timezone.now())
    return render(request, "findings/_preview.html", {"preview": shown})


@require_safe
@permission_required("findings.view_policychange", raise_exception=True)
def changes(request: HttpRequest) -> HttpResponse:
    wanted = request.GET.get("q", "").replace("\0", "").strip()
    page = request.GET.get("page", "1")
    if not (page.isascii() and page.isdigit() and 0 < int(page) < 10**6):
        raise Http404("There is no such page.")
    first = (int(page) - 1) * CHANGES_A_PAGE
    # One row more than is shown tells whether there are older ones, without counting them all.
    rows = list(
        PolicyChange.objects.matching(wanted).newest_first()[first : first + CHANGES_A_PAGE + 1]
    )
    return render(
        request,
        "findings/changes.html",
        {
            "changes": rows[:CHANGES_A_PAGE],
            "wanted": wanted,
            "newer": int(page) - 1,
            "older": int(page) + 1 if len(rows) > CHANGES_A_PAGE else 0,
        },
    )
