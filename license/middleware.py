from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject

from license import problem, status
from license.status import LicenseStatus

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110, 9.2.1


class LicensedRequest(HttpRequest):
    license_status: LicenseStatus


class LicenseMiddleware:
    """Answers 403 to every unsafe method while the license does not allow writes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: LicensedRequest) -> HttpResponseBase:
        # Lazy: a request that neither writes nor shows a page costs no query.
        request.license_status = cast(LicenseStatus, SimpleLazyObject(status.current))
        return self.get_response(request)

    def process_view(self, request: LicensedRequest, *view: Any) -> HttpResponse | None:
        # Here and not in __call__: only a resolved request has a view name; a path can be dodged.
        match = request.resolver_match
        if request.method in SAFE_METHODS:
            return None
        if match and match.view_name in settings.LICENSE_EXEMPT_VIEWS:
            return None
        if request.license_status.allows_writes:
            return None
        return problem.refuse(request, request.license_status)
