"""The pages that the `type` of a problem document leads to."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import TemplateDoesNotExist
from django.views.decorators.http import require_safe


@login_not_required
@require_safe
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """The cause of a problem, the fix, and the command, for anybody."""
    context = {"code": slug.replace("-", "_"), "portal_url": settings.PORTAL_URL}
    try:
        return render(request, f"problems/{slug}.html", context)
    except TemplateDoesNotExist:
        raise Http404("There is no such problem.") from None
