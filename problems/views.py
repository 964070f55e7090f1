"""The pages to which the `type` of a problem document links."""

from __future__ import annotations

import re

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe

from problems import catalog
from storage.template_filters import with_code

_LINK = re.compile(r"\[([^\]]+)\]\((/[^)\s]*)\)")


@login_not_required
@require_safe
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the cause, the fix and the command of a problem, without authentication.

    Raises Http404 for an unknown problem.
    """
    if "_" in slug:
        raise Http404("There is no such problem.")
    try:
        problem = catalog.find(slug.replace("-", "_"))
    except catalog.UnknownProblem:
        raise Http404("There is no such problem.") from None
    context = {
        "problem": problem,
        "cause": _marked_up(problem.cause),
        "fix": _marked_up(problem.fix),
        "command": problem.command.replace("PORTAL_URL", settings.PORTAL_URL),
    }
    return render(request, "problems/page.html", context)


def _marked_up(text: str) -> SafeString:
    """Return the HTML of a text of problems.catalog, with its `code` and [links](/path)."""
    linked = _LINK.sub(r'<a href="\2">\1</a>', with_code(text))
    return mark_safe(linked)  # noqa: S308  (with_code escapes)
