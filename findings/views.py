from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from findings import accounts as aws_accounts
from findings import entities as entity_list
from findings import events, policy, preview
from findings.catalogue import Severity
from findings.models import Action, Entity, PolicyChange, ThreatPolicy
from findings.schemas import PolicyUpdate
from findings.threats import sections
from problems.json_body import read_as
from storage import paging
from storage.paging import NumberPager

CHANGES = NumberPager(50)


@require_safe
@permission_required("findings.view_finding", raise_exception=True)
def event_list(request: HttpRequest) -> HttpResponse:
    """Shows the Events page: the findings, newest first, with filters."""
    wanted = paging.wanted(request)
    form = events.EventFilter(wanted)
    if not form.is_valid():
        return render(request, "findings/events.html", {"form": form, "wanted": wanted})
    shown = events.PAGER.shown(request, events.listed(form.asked()))
    aws_accounts.give_names(shown.rows)
    context = {"form": form, "wanted": wanted, "shown": shown}
    return render(request, "findings/events.html", context)


@require_safe
@permission_required("findings.view_finding", raise_exception=True)
def entities(request: HttpRequest) -> HttpResponse:
    """Shows the Entities page, with filters."""
    wanted = paging.wanted(request)
    form = entity_list.EntityFilter(wanted)
    if not form.is_valid():
        return render(request, "findings/entities.html", {"form": form, "wanted": wanted})
    narrowed = form.narrow(Entity.objects.all())
    context = {
        "form": form,
        "wanted": wanted,
        "shown": entity_list.PAGER.shown(request, entity_list.with_statistics(narrowed)),
        "stale_before": timezone.now() - entity_list.STALE,
    }
    return render(request, "findings/entities.html", context)


@require_safe
@permission_required("findings.view_threatpolicy", raise_exception=True)
def threats(request: HttpRequest) -> HttpResponse:
    """Shows the Threats page: the policy for every service and finding type."""
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
    """Previews the effect of a PUT /findings body on recent findings, as an HTML fragment.

    Changes nothing. Returns a problem document if the body is invalid.
    """
    update = read_as(PolicyUpdate, request)
    if isinstance(update, HttpResponse):
        return update
    shown = preview.preview(update.settings(), at=timezone.now())
    return render(request, "findings/_preview.html", {"preview": shown})


@require_safe
@permission_required("findings.view_policychange", raise_exception=True)
def changes(request: HttpRequest) -> HttpResponse:
    """Shows the policy change log, newest first; `q` filters it by words."""
    wanted = request.GET.get("q", "").replace("\0", "").strip()
    matching = PolicyChange.objects.matching(wanted).newest_first()
    context = {"shown": CHANGES.shown(request, matching), "wanted": wanted}
    return render(request, "findings/changes.html", context)
