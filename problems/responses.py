"""Problem documents (RFC 9457), and the choice between them and a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse

from problems import catalog

MEDIA_TYPE = "application/problem+json"


def wants_html(request: HttpRequest) -> bool:
    """Whether the Accept header prefers HTML. `*/*`, which curl sends, counts as a program."""
    preferred = request.get_preferred_type([MEDIA_TYPE, "application/json", "text/html"])
    return preferred == "text/html"


def respond(
    *,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> HttpResponse:
    """A problem document whose `type` is a page of this portal.

    `code` is that of a row of `problems.catalog`, `members` are added to the document. The answer
    is not cached, unless `headers` say otherwise. Raises UnknownProblem.
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
    """The URL of a path of this portal, from PORTAL_URL. The caller chooses the Host header."""
    return f"{settings.PORTAL_URL}{path}"
