"""The Application page: what runs here, whether it works, and what a lapsed license changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from actions import containment, fill, heartbeat, self_test, updates
from actions.metrics import version
from console import application, database, support
from console.lapse import DAYS, lapse
from console.onboarding import ADMINISTER
from findings import retention
from serving.health import readiness

TABLES = 5  # the largest ones


@require_safe
@permission_required("actions.view_reaction", raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    """Shows it all. Calls no AWS API: the workers note what they know."""
    now = timezone.now()
    found = updates.last()
    context = {
        "administers": request.user.has_perm(ADMINISTER),
        "version": version(),
        "commit": application.commit(),
        "stack": application.stack(),
        "region": application.region(),
        "account_id": settings.AWS_ACCOUNT_ID,
        "database": database.database(),
        "tables": database.largest(TABLES),
        "loops": list(application.loops(now)),
        "processes": heartbeat.workers(),
        "has_queue": bool(settings.FINDINGS_QUEUE_URL),
        "lag": heartbeat.queue_lag(),
        "is_on": containment.is_on(),
        "acts_anyway": not containment.is_on() and heartbeat.acts(now),
        "paths": application.path_states(),
        "levels": fill.levels(),
        "roles": application.roles(),
        "retention_begin": retention.shown_begin(now),
        "retention_days": settings.RETENTION_DAYS,
        "update": found,
        "update_link": application.update_url(found) if found else "",
        "checks_updates": bool(settings.UPDATE_URL),
        "is_update_asked": updates.is_asked(),
        "lapse": lapse(now),
        "lapse_days": DAYS,
        **_test(now),
    }
    return render(request, "console/application.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(ADMINISTER, raise_exception=True)
def self_test_view(request: HttpRequest) -> HttpResponse:
    """POST asks a worker for a self-test. GET returns the part of the page with its result."""
    now = timezone.now()
    if request.method == "POST":
        if not self_test.ask(at=now):
            messages.info(request, "A self-test is already running.")
        return redirect(f"{reverse('console:application')}#self-test")
    context = {"administers": True, **_test(now)}
    return render(request, "console/_self_test.html", context)


@require_POST
@permission_required(ADMINISTER, raise_exception=True)
def update_check(request: HttpRequest) -> HttpResponse:
    """Asks a worker to look for a new version."""
    if settings.UPDATE_URL:
        updates.ask()
    return redirect(f"{reverse('console:application')}#update")


@require_safe
@never_cache
@permission_required(ADMINISTER, raise_exception=True)
def support_bundle(request: HttpRequest) -> HttpResponse:
    """Downloads the support bundle as JSON."""
    now = timezone.now()
    response = JsonResponse(support.bundle(now), json_dumps_params={"indent": 2})
    name = f"threatreaction-support-{now:%Y%m%dT%H%M%SZ}.json"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _test(now: datetime) -> dict[str, Any]:
    test = self_test.last()
    if test is None:
        return {"test": None}
    return {
        "test": test,
        "is_open": test.is_open(now),
        "is_waiting": test.is_waiting(now),
        "readiness": readiness(),
    }
