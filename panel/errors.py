"""Error handlers for bad requests and internal errors.

The pages are rendered without the request, and therefore without database queries: they must work
when the database is down or the Host header is invalid.
"""

from __future__ import annotations

import sys

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from panel.signing import SigningError


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Responds with 413 if the body is too large, else with 400."""
    return _page(413 if isinstance(exception, RequestDataTooBig) else 400)


def server_error(request: HttpRequest) -> HttpResponse:
    """Responds with 503 if the database or the signing key is unavailable, else with 500."""
    passing = isinstance(sys.exception(), SigningError | OperationalError | InterfaceError)
    return _page(503 if passing else 500)


def _page(status: int) -> HttpResponse:
    return HttpResponse(render_to_string(f"{status}.html"), status=status)
