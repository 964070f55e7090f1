"""The middleware of `ungated.py` in the place of LicenseMiddleware."""

from __future__ import annotations

from collections.abc import Callable

from django.http.response import HttpResponseBase

from license.middleware import LicensedRequest

GetResponse = Callable[[LicensedRequest], HttpResponseBase]


def exempt(get_response: GetResponse) -> GetResponse:
    """Requires a license for no request."""

    def respond(request: LicensedRequest) -> HttpResponseBase:
        request.license_exempt = True
        return get_response(request)

    return respond
