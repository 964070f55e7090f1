"""What the portal answers when it cannot: a page for a person, a problem document for a program.

The pages for 400, 413, 500 and 503 are rendered without the request, and so without any query: they
must come out when the database, the session or the Host header is what is wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.csrf import requires_csrf_token

from problems import catalog, responses


class MethodNotAllowedMiddleware:
    """Gives Django's 405, which has an empty body, a page or a problem document."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if not isinstance(response, HttpResponseNotAllowed):
            return response
        allowed = response["Allow"]
        if responses.wants_html(request):
            context = {"title": catalog.find("method_not_allowed").title, "allowed": allowed}
            page = render(request, "405.html", context, status=405)
            page["Allow"] = allowed
            return page
        return responses.respond(
            code="method_not_allowed",
            detail=f"This address answers {allowed}. Nothing was changed.",
            headers={"Allow": allowed},
        )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return _bare(
            request,
            code="body_too_large",
            detail="A request body is at most 1 MiB. Nothing was changed.",
        )
    return _bare(
        request,
        code="bad_request",
        detail="The request cannot be understood. Nothing was changed.",
    )


@requires_csrf_token
def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if responses.wants_html(request):
        context = {"has_role": bool(request.user.get_all_permissions())}
        return render(request, "403.html", context, status=403)
    return responses.respond(
        code="permission_denied",
        detail="Your role does not allow this. An administrator of this portal can give you one.",
    )


@requires_csrf_token
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    if responses.wants_html(request):
        return render(request, "403_csrf.html", status=403)
    return responses.respond(
        code="csrf_failed",
        detail="Send the cookie csrftoken's value in the header X-CSRFToken. Nothing was changed.",
    )


@requires_csrf_token
def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if responses.wants_html(request):
        return render(request, "404.html", status=404)
    return responses.respond(
        code="not_found",
        detail="There is nothing at this address.",
    )


def server_error(request: HttpRequest) -> HttpResponse:
    if isinstance(sys.exception(), OperationalError | InterfaceError):
        return _bare(
            request,
            code="database_unavailable",
            detail="The portal cannot use its database just now. Nothing was changed.",
        )
    return _bare(
        request,
        code="internal_error",
        detail="The portal failed to answer; its log says why.",
    )


def _bare(request: HttpRequest, *, code: str, detail: str) -> HttpResponse:
    if not responses.wants_html(request):
        return responses.respond(code=code, detail=detail)
    problem = catalog.find(code)
    page = render_to_string(f"{problem.status}.html", {"title": problem.title})
    return HttpResponse(page, status=problem.status)
