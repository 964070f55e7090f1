"""Returns problem documents (RFC 9457), and decides between them and HTML pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse

from problems import catalog

MEDIA_TYPE = "application/problem+json"


def wants_html(request: HttpRequest) -> bool:
    """Return whether the Accept header prefers HTML. False for `*/*`, which curl sends."""
    preferred = request.get_preferred_type([MEDIA_TYPE, "application/json", "text/html"])
    return preferred == "text/html"


def respond(
    *,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> HttpResponse:
    """Return a problem document whose `type` is a page of this portal.

    `code` is registered in `problems.catalog`. `members` are added to the document. The response is
    not cacheable unless `headers` override it. Raises UnknownProblem.
    """
    problem = catalog.find(code)
    slug = code.replace("_", "-")
    document = {
        "type": absolute(reverse("problems:page", args=[slug])),
        "title": problem.title,
        "status": problem.status,
        "code": code,
        "detail": detail,
        **members,
    }
    return JsonResponse(
        document,
        status=problem.status,
        content_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def absolute(path: str) -> str:
    """Return the absolute URL of a path, from PORTAL_URL and not from the untrusted Host header."""
    return f"{settings.PORTAL_URL}{path}"
