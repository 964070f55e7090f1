"""The middleware that refuses writes while no license is in force."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from django.urls import get_resolver
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from license import clock, refusal, refused_writes, routes, status
from license.status import LicenseStatus
from license.verified import Verified

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110, 9.2.1


class LicensedRequest(HttpRequest):
    """A request that LicenseMiddleware has processed. `license_status` is evaluated lazily."""

    license_status: LicenseStatus
    license_verified: Verified  # for a second check
    license_allowed: bool  # whether the license allowed this write
    license_exempt: bool  # whether this write is exempt from the license; False for safe methods


class LicenseMiddleware:
    """Responds with 403 to every unsafe method while the license does not allow writes.

    Views in LICENSE_EXEMPT_VIEWS and LICENSE_EXEMPT_WHERE are exempt.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: LicensedRequest) -> HttpResponseBase:
        if request.method not in SAFE_METHODS and (refused := _read_body(request)):
            return refused
        request.license_exempt = False
        # Lazy: requests that do not need the status run no query.
        request.license_verified = Verified()
        current = partial(status.current, verified=request.license_verified)
        request.license_status = cast(LicenseStatus, SimpleLazyObject(current))
        request.license_allowed = False
        response = self.get_response(request)
        # Here and not where they happen, because those are in the transaction of the write.
        if request.method not in SAFE_METHODS:
            if request.license_allowed and response.status_code < 400:
                clock.memory.note(clock.Source.WRITE, timezone.now())
            clock.memory.store()
            refused_writes.tally.store()
        return response

    def process_view(self, request: LicensedRequest, *view: Any) -> HttpResponse | None:
        """Return the response with status 403, or None to continue with the request."""
        # Not in __call__: the view name, unlike the path, is reliable, and known only here.
        if request.method in SAFE_METHODS:
            return None
        request.license_exempt = routes.is_exempt(request)
        if request.license_exempt:
            return None
        if request.license_status.allows_writes:
            request.license_allowed = True
            return None
        return refusal.refuse(request, request.license_status)


def _read_body(request: HttpRequest) -> HttpResponse | None:
    """Read the whole body first, so that the license is checked only once the request is complete.

    Return an error response if the body is larger than DATA_UPLOAD_MAX_MEMORY_SIZE or incomplete,
    else None. Django would log a traceback for these errors.
    """
    try:
        request.body  # noqa: B018  (the property caches the body)
    except (RequestDataTooBig, UnreadablePostError) as error:
        bad_request: Callable[..., HttpResponse] = get_resolver().resolve_error_handler(400)
        return bad_request(request, exception=error)
    return None
