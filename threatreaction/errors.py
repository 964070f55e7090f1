"""Error handlers: HTML pages for browsers, problem documents for programs.

The pages for 400, 413, 500 and 503 are rendered without the request and run no query, because the
database, the session or the Host header may be the cause of the error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve, reverse
from django.views.decorators.csrf import requires_csrf_token

from accounts import roles
from problems import catalog, responses


class MethodNotAllowedMiddleware:
    """Adds a page or a problem document to Django's 405 responses, which have an empty body."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if not isinstance(response, HttpResponseNotAllowed):
            return response
        allowed = response["Allow"]
        if responses.wants_html(request):
            context = {
                "title": catalog.find("method_not_allowed").title,
                "allowed": allowed,
                "takes_forms": request.method == "GET" and "POST" in allowed,
                "page": _page_above(request.path),
            }
            page = render(request, "405.html", context, status=405)
            page["Allow"] = allowed
            return page
        return responses.respond(
            code="method_not_allowed",
            detail=f"This URL supports {allowed}. Nothing was changed.",
            headers={"Allow": allowed},
        )


def _page_above(path: str) -> str:
    """Return the path of the nearest page above an address that only receives forms."""
    while path := path.rstrip("/").rpartition("/")[0]:
        for candidate in (path, f"{path}/"):
            with suppress(Resolver404):
                resolve(candidate)
                return candidate
    return reverse("home")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the response with status 400, or 413 for RequestDataTooBig."""
    if isinstance(exception, RequestDataTooBig):
        return _bare(
            request,
            code="body_too_large",
            detail="The request body must not exceed 1 MiB. Nothing was changed.",
        )
    return _bare(
        request,
        code="bad_request",
        detail="The portal cannot read the request. Nothing was changed.",
    )


@requires_csrf_token
def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the response with status 403 for a caller without permission."""
    if responses.wants_html(request):
        has_role = bool(request.user.get_all_permissions())
        context = {"has_role": has_role, "roles": roles.powers()}
        return render(request, "403.html", context, status=403)
    return responses.respond(
        code="permission_denied",
        detail="Your role does not allow this. Ask an administrator of this portal for access.",
    )


@requires_csrf_token
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return the response with status 403 for a failed CSRF check."""
    if responses.wants_html(request):
        return render(request, "403_csrf.html", status=403)
    return responses.respond(
        code="csrf_failed",
        detail="Send the csrftoken cookie's value in the X-CSRFToken header. Nothing was changed.",
    )


@requires_csrf_token
def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the response with status 404."""
    if responses.wants_html(request):
        return render(request, "404.html", status=404)
    return responses.respond(
        code="not_found",
        detail="There is no page or resource at this URL.",
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the response with status 503 if the database is not available, else 500."""
    if isinstance(sys.exception(), OperationalError | InterfaceError):
        return _bare(
            request,
            code="database_unavailable",
            detail="The portal cannot use its database. Nothing was changed. Try again later.",
        )
    return _bare(
        request,
        code="internal_error",
        detail="An internal error occurred. The portal logged it.",
    )


def _bare(request: HttpRequest, *, code: str, detail: str) -> HttpResponse:
    if not responses.wants_html(request):
        return responses.respond(code=code, detail=detail)
    problem = catalog.find(code)
    page = render_to_string(f"{problem.status}.html", {"title": problem.title})
    return HttpResponse(page, status=problem.status)
