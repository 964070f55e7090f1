from __future__ import annotations

import json
import re
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required, permission_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_POST, require_safe

from accounts.api_auth import Caller
from findings import accounts as aws_accounts
from findings import bulk, events, export, plan, policy, retention, triage
from findings import changes as change_log
from findings import entities as entity_list
from findings.catalogue import Severity
from findings.models import Action, PolicyChange, Target, ThreatPolicy, TriageEntry
from findings.schemas import PolicyUpdate, file_schema
from findings.threats import sections
from findings.triage_forms import ManyForm
from problems.json_body import read_as
from storage import filters, paging
from storage.instants import human


@require_safe
@permission_required("findings.view_finding", raise_exception=True)
def event_list(request: HttpRequest) -> HttpResponse:
    """Shows the Events page: the findings, newest first, with filters."""
    return events_page(request)


def events_page(request: HttpRequest, **context: Any) -> HttpResponse:
    """Returns the Events page for the query parameters of a request.

    A refused form of the selected events passes itself in `context`, by the name that its part of
    findings.bulk has for it. The events that the request selected stay selected.
    """
    wanted = paging.wanted(request)
    path = reverse("findings:events")  # a refused form has its own
    form = events.EventFilter(wanted)
    context |= {
        "form": form,
        "wanted": wanted,
        "query": urlencode(wanted),
        "chips": filters.chips(form, wanted, path),
        "presets": filters.presets(form, "period", wanted, path, instead_of=("since", "until")),
        "sorts": filters.heads(events.COLUMNS, wanted, path),
        "selected": bulk.selected(request),
        "export_limit": f"{export.LIMIT:,}",
    }
    if form.is_valid():
        now = timezone.now()
        rows = events.listed(form.asked(), now=now)
        shown = context["shown"] = events.PAGER.shown(request, rows, path=path)
        aws_accounts.give_names(shown.rows)
        events.mark(shown.rows, now=now)
        context["kept_since"] = retention.shown_begin(now)
        if shown.is_first and shown.rows and "sort" not in form.asked():
            context["newest"] = events.PAGER.cursor(shown.rows[0])
    parts = bulk.parts_for(request.user)
    for part in parts:
        context = {**part.context(request), **context}
    context["parts"] = [part.template for part in parts]
    return render(request, "findings/events.html", context)


@require_safe
@permission_required("findings.view_finding", raise_exception=True)
def newer_events(request: HttpRequest) -> HttpResponse:
    """Says how many events are newer than the cursor `than`, as an HTML fragment; at most a page.

    The Events page asks for it every now and then, and leaves the list as it is.
    """
    wanted = paging.wanted(request)
    than = wanted.pop("than", "")
    form = events.EventFilter(wanted)
    if not form.is_valid():
        raise Http404
    rows = events.listed(form.asked(), now=timezone.now())
    count = 0
    for finding in events.PAGER.page(rows).rows:
        if events.PAGER.is_behind(finding, than):
            break
        count += 1
    context = {"count": count, "is_more": count == events.PAGER.size, "query": urlencode(wanted)}
    return render(request, "findings/_newer.html", context)


@require_safe
@permission_required("findings.view_finding", raise_exception=True)
def export_events(request: HttpRequest, form: str) -> HttpResponseBase:
    """Streams the events that match the filter as CSV or JSON Lines.

    Redirects to the Events page, which explains the error, if the filter is invalid.
    """
    asked = events.EventFilter(paging.wanted(request))
    if not asked.is_valid():
        return redirect(bulk.back_to_list(request))
    now = timezone.now()
    return export.response(events.listed(asked.asked(), now=now), form=form, now=now)


@require_POST
@permission_required(["findings.view_finding", "findings.triage_finding"], raise_exception=True)
def triage_many(request: HttpRequest) -> HttpResponse:
    """Triages the selected events, and returns to the list with the same filter."""
    selected = bulk.selected(request)
    form = ManyForm(request.POST, selected=len(selected))
    if not form.is_valid():
        return events_page(request, triage_form=form)
    user = cast(User, request.user)
    changed = triage.triage(
        selected,
        form.change(),
        by=Caller(name=user.get_username(), user=user),
        source=TriageEntry.Source.PAGE,
        at=timezone.now(),
    )
    count = len(changed)
    messages.success(request, f"{count} event{'' if count == 1 else 's'} changed.")
    return redirect(bulk.back_to_list(request))


@require_safe
@permission_required("findings.view_finding", raise_exception=True)
def entities(request: HttpRequest) -> HttpResponse:
    """Shows the Entities page, with filters."""
    wanted = paging.wanted(request)
    form = entity_list.EntityFilter(wanted)
    now = timezone.now()
    context = {
        "form": form,
        "wanted": wanted,
        "chips": filters.chips(form, wanted, request.path),
        "presets": filters.presets(
            form, "period", wanted, request.path, instead_of=("since", "until")
        ),
        "sorts": filters.heads(entity_list.COLUMNS, wanted, request.path),
    }
    if form.is_valid():
        shown = entity_list.PAGER.shown(request, form.entities(now=now))
        entity_list.give_first_seen(shown.rows)
        context |= {"shown": shown, "stale_before": now - entity_list.STALE}
    return render(request, "findings/entities.html", context)


@require_safe
@permission_required("findings.view_threatpolicy", raise_exception=True)
def threats(request: HttpRequest) -> HttpResponse:
    """Shows the Threats page: the policy for every service and finding type.

    `?revert=` and the number of a policy change stages its opposite. Raises Http404 if there is no
    such change.
    """
    settings = ThreatPolicy.objects.actions()
    may_change = request.user.has_perm("findings.change_threatpolicy")
    reverted = _to_revert(request) if may_change and "revert" in request.GET else None
    also = [Target(reverted.service, reverted.finding_type, reverted.severity)] if reverted else []
    shown = sections(settings, also=also)
    return render(
        request,
        "findings/threats.html",
        {
            "sections": shown,
            "types": sum(service.types for section in shown for service in section.services),
            "etag": policy.etag(settings),
            "may_change": may_change,
            "revert": _as_staged(reverted) if reverted else "",
            "actions": Action.choices,
            "severities": Severity.choices,
        },
    )


def _to_revert(request: HttpRequest) -> PolicyChange:
    number = request.GET["revert"]
    if not re.fullmatch("[0-9]{1,18}", number):
        raise Http404("There is no such change.")
    if not request.user.has_perm("findings.view_policychange"):
        raise PermissionDenied
    return get_object_or_404(PolicyChange, pk=number)


def _as_staged(change: PolicyChange) -> str:
    """Returns the opposite of a change in the format of threats-cells.js, and what it is."""
    opposite = {
        "service": change.service,
        "type": change.finding_type,
        "severity": change.severity,
        "action": change.action_before or None,
        "base": change.action_after or None,  # if it is another now, the page says so
    }
    told = f"This reverts the change by {change.changed_by_name} on {human(change.changed_at)}."
    return json.dumps({"told": told, "changes": [opposite]})


@require_POST
@permission_required(["findings.view_threatpolicy", "findings.view_finding"], raise_exception=True)
def preview_changes(request: HttpRequest) -> HttpResponse:
    """Previews the effect of a PUT /findings body on recent findings, as an HTML fragment.

    Changes nothing. Returns a problem document if the body is invalid.
    """
    update = read_as(PolicyUpdate, request)
    if isinstance(update, HttpResponse):
        return update
    shown = plan.plan(update, at=timezone.now()).preview
    return render(request, "findings/_preview.html", {"preview": shown})


@login_not_required
@require_safe
@cache_control(public=True, max_age=3600)
def policy_schema(request: HttpRequest) -> JsonResponse:
    """Returns the JSON Schema of policy files, for editors. It contains nothing of this portal."""
    return JsonResponse(file_schema(), content_type="application/schema+json")


@require_safe
@permission_required("findings.view_policychange", raise_exception=True)
def changes(request: HttpRequest) -> HttpResponse:
    """Shows the Changes page: the policy change log, newest first, with filters."""
    wanted = paging.wanted(request)
    path = reverse("findings:changes")
    form = change_log.ChangeFilter(wanted)
    context: dict[str, Any] = {
        "form": form,
        "wanted": wanted,
        "query": urlencode(wanted),
        "chips": filters.chips(form, wanted, path),
        "presets": filters.presets(form, "period", wanted, path, instead_of=("since", "until")),
        "may_revert": request.user.has_perms(
            ["findings.view_threatpolicy", "findings.change_threatpolicy"]
        ),
        "export_limit": f"{export.LIMIT:,}",
    }
    if form.is_valid():
        rows = change_log.listed(form.asked(), now=timezone.now())
        context["shown"] = change_log.PAGER.shown(request, rows)
    return render(request, "findings/changes.html", context)


@require_safe
@permission_required("findings.view_policychange", raise_exception=True)
def export_changes(request: HttpRequest) -> HttpResponseBase:
    """Streams the changes that match the filter as CSV.

    Redirects to the Changes page, which explains the error, if the filter is invalid.
    """
    wanted = paging.wanted(request)
    form = change_log.ChangeFilter(wanted)
    if not form.is_valid():
        return redirect(f"{reverse('findings:changes')}?{urlencode(wanted)}")
    now = timezone.now()
    return change_log.exported(change_log.listed(form.asked(), now=now), now=now)
