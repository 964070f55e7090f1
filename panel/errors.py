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

from panel.adapters import MailError
from panel.signing import SigningError


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Responds with 413 if the body is too large, else with 400."""
    return _page(413 if isinstance(exception, RequestDataTooBig) else 400)


def server_error(request: HttpRequest) -> HttpResponse:
    """Responds with 503 if the database, the signing key or the mail server fails, else with 500.

    Only mail that people wait for, with a code, raises MailError.
    """
    error = sys.exception()
    passing = isinstance(error, SigningError | OperationalError | InterfaceError | MailError)
    return _page(503 if passing else 500, mail_failed=isinstance(error, MailError))


def _page(status: int, **context: bool) -> HttpResponse:
    return HttpResponse(render_to_string(f"{status}.html", context), status=status)
