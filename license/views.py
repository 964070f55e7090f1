from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import TemplateDoesNotExist
from django.views.decorators.http import require_safe


def page(request: HttpRequest) -> HttpResponse:
    return render(request, "license/page.html")


def preview(request: HttpRequest) -> HttpResponse:
    return render(request, "license/page.html")


def calendar(request: HttpRequest) -> HttpResponse:
    raise Http404


@login_not_required
@require_safe
def problem(request: HttpRequest, slug: str) -> HttpResponse:
    """What a problem document's `type` leads to: cause, mend and command, for anybody."""
    try:
        return render(request, f"problems/{slug}.html")
    except TemplateDoesNotExist:
        raise Http404("There is no such problem.") from None
