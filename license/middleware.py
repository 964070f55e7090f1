"""Refuses writes while the license does not allow them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from django.urls import get_resolver
from django.utils.functional import SimpleLazyObject

from license import refusal, routes, status
from license.status import LicenseStatus

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110, 9.2.1


class LicensedRequest(HttpRequest):
    """A request that has passed LicenseMiddleware. Its `license_status` is read on first use."""

    license_status: LicenseStatus
    license_exempt: bool  # of a write: whether it needs no license, as decided before the view


class LicenseMiddleware:
    """Answers 403 to every unsafe method while the license does not allow writes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: LicensedRequest) -> HttpResponseBase:
        if request.method not in SAFE_METHODS and (refused := _read_body(request)):
            return refused
        request.license_exempt = False
        # Lazy: a request that neither writes nor renders a page costs no query.
        request.license_status = cast(LicenseStatus, SimpleLazyObject(status.current))
        return self.get_response(request)

    def process_view(self, request: LicensedRequest, *view: Any) -> HttpResponse | None:
        """The refusal, or None to let the request pass."""
        # Here and not in __call__: only a resolved request has a view name; a path can be dodged.
        if request.method in SAFE_METHODS:
            return None
        request.license_exempt = routes.is_exempt(request)
        if request.license_exempt or request.license_status.allows_writes:
            return None
        return refusal.refuse(request, request.license_status)


def _read_body(request: HttpRequest) -> HttpResponse | None:
    """Reads the body before anything is decided: a caller who sends it slowly gains nothing.

    Returns the refusal of a body over DATA_UPLOAD_MAX_MEMORY_SIZE, which is not read, or of one
    that ended early. Django would log a traceback for either.
    """
    try:
        request.body  # noqa: B018  (the property keeps what it has read)
    except (RequestDataTooBig, UnreadablePostError) as error:
        bad_request: Callable[..., HttpResponse] = get_resolver().resolve_error_handler(400)
        return bad_request(request, exception=error)
    return None
