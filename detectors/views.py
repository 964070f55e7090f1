from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.api_auth import Caller
from detectors import buckets, overview
from detectors.buckets import BucketSettings, TooMany
from detectors.forms import BucketForm, SettingsForm
from detectors.models import Bucket, BucketChange, Episode
from findings.models import Finding

may_see = permission_required("detectors.view_bucket", raise_exception=True)
may_change = permission_required("detectors.change_bucket", raise_exception=True)

HERE = "api:get_buckets"  # the page and the API resource share a URL
SHOWN_CHANGES = 20
SHOWN_FINDINGS = 20


@require_safe
@login_required
@may_see
def bucket_list(request: HttpRequest) -> HttpResponse:
    """Shows the Buckets page."""
    return _list(request, BucketForm())


def _list(request: HttpRequest, form: BucketForm) -> HttpResponse:
    context = {
        "form": form,
        "rows": overview.rows(int(timezone.now().timestamp())),
        "changes": BucketChange.objects.newest_first()[:SHOWN_CHANGES],
        "may_change": request.user.has_perm("detectors.change_bucket"),
    }
    return render(request, "detectors/buckets.html", context)


@require_POST
@may_change
def register(request: HttpRequest) -> HttpResponse:
    """Registers a bucket."""
    form = BucketForm(request.POST)
    if not form.is_valid():
        return _list(request, form)
    name = form.cleaned_data["name"]
    if Bucket.objects.filter(name=name).exists():
        messages.info(request, f"{name} is already registered.")
        return redirect("detectors:bucket", name)
    settings = BucketSettings(form.cleaned_data["sensitivity"])
    try:
        buckets.set_buckets({name: settings}, by=_caller(request), at=timezone.now())
    except TooMany as refused:
        form.add_error(None, str(refused))
        return _list(request, form)
    messages.success(request, f"{name} is registered.")
    return redirect("detectors:bucket", name)


@require_safe
@login_required
@may_see
def bucket_page(request: HttpRequest, name: str) -> HttpResponse:
    """Shows what was done to a bucket, who did it, and its settings."""
    bucket = get_object_or_404(Bucket, name=name)
    return _page(request, bucket, SettingsForm.of(bucket))


def _page(request: HttpRequest, bucket: Bucket, form: SettingsForm) -> HttpResponse:
    now = int(timezone.now().timestamp())
    episodes = Episode.objects.filter(bucket=bucket).order_by("-last_at", "-pk")
    raised = list(episodes.values_list("finding_id", flat=True)[:SHOWN_FINDINGS])
    context = {
        "bucket": bucket,
        "row": overview.rows(now, names=[bucket.name])[0],
        "charts": overview.charts(bucket, now),
        "width": overview.WIDTH,
        "height": overview.HEIGHT,
        "actors": overview.top_actors(bucket),
        "preview": overview.preview(bucket, now),
        "findings": Finding.objects.filter(finding_id__in=raised).order_by("-seen_at", "-pk"),
        "changes": BucketChange.objects.filter(bucket=bucket.name).newest_first()[:SHOWN_CHANGES],
        "form": form,
        "may_change": request.user.has_perm("detectors.change_bucket"),
    }
    return render(request, "detectors/bucket.html", context)


@require_POST
@may_change
def change(request: HttpRequest, name: str) -> HttpResponse:
    """Changes the settings of a bucket."""
    bucket = get_object_or_404(Bucket, name=name)
    form = SettingsForm(request.POST)
    if not form.is_valid():
        return _page(request, bucket, form)
    made = buckets.set_buckets({name: form.settings()}, by=_caller(request), at=timezone.now())
    if made:
        messages.success(request, f"The settings of {name} are saved.")
    else:
        messages.info(request, "Nothing has changed.")
    return redirect("detectors:bucket", name)


@require_POST
@may_change
def remove(request: HttpRequest, name: str) -> HttpResponse:
    """Removes a bucket with its sums. Its findings stay."""
    get_object_or_404(Bucket, name=name)
    buckets.set_buckets({name: None}, by=_caller(request), at=timezone.now())
    messages.success(request, f"{name} is no longer registered. Its findings stay.")
    return redirect(HERE)


def _caller(request: HttpRequest) -> Caller:
    user = cast(User, request.user)
    return Caller(name=user.get_username(), user=user)
