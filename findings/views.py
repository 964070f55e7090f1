from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from findings import policy
from findings.catalogue import Severity
from findings.models import Action, PolicyChange, ThreatPolicy
from findings.threats import sections

CHANGES_A_PAGE = 50


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
