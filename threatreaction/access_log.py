"""One line for each request, its count for /metrics, and the ID that all its lines have."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject

from accounts.api_auth import Caller
from serving import logs
from threatreaction import metrics

logger = logging.getLogger("threatreaction.access")


class AccessLogMiddleware:
    """Logs each request with LOG_FORMAT=json; answers with X-Request-ID in any case.

    The id is that of the load balancer (X-Amzn-Trace-Id), or a new one. It stands first in
    MIDDLEWARE, so that each line of the request has the id, and no answer goes unlogged.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.monotonic()
        request_id = logs.as_trace(request.headers.get("X-Amzn-Trace-Id", "")) or uuid.uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]  # Django logs 4xx after us
        with logs.traced(request_id):
            response = self.get_response(request)
            response.headers["X-Request-ID"] = request_id
            seconds = time.monotonic() - began
            metrics.count(request, status=response.status_code, seconds=seconds)
            path = logs.masked(request.path)
            fields = {
                **_who(request),
                "method": request.method,
                "path": path,
                "status": response.status_code,
                "milliseconds": round(seconds * 1000),
            }
            told = (request.method, path, response.status_code)
            logger.info("%s %s %s", *told, extra={"fields": fields})
        return response


def _who(request: HttpRequest) -> dict[str, str]:
    """The person or the program, if the request needed to know; it is not looked up for the log."""
    caller = getattr(request, "auth", None)  # of the API
    if isinstance(caller, Caller) and caller.client_id:
        return {"client": caller.client_id}
    user = getattr(request, "user", None)
    if type(user) is SimpleLazyObject:
        user = getattr(request, "_cached_user", None)
    return {"user": user.get_username()} if isinstance(user, User) else {}
