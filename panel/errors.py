"""What the panel answers when it cannot.

These pages are rendered without the request, and so without any query: they must come out when the
database or the Host header is what is wrong.
"""

from __future__ import annotations

import sys

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from panel.signing import SigningError


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(413 if isinstance(exception, RequestDataTooBig) else 400)


def server_error(request: HttpRequest) -> HttpResponse:
    passing = isinstance(sys.exception(), SigningError | OperationalError | InterfaceError)
    return _page(503 if passing else 500)


def _page(status: int) -> HttpResponse:
    return HttpResponse(render_to_string(f"{status}.html"), status=status)
