"""Health checks for load balancers."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from license.middleware import SAFE_METHODS
from problems import responses

logger = logging.getLogger(__name__)


class HealthMiddleware:
    """Responds to /healthz and /readyz before other middleware.

    Load balancers send health checks over plain HTTP with an IP address as Host. This middleware
    must precede all but the access log, so that the checks bypass ALLOWED_HOSTS and the redirect
    to HTTPS.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answer = {"/healthz": healthz, "/readyz": readyz}.get(request.path_info)
        if answer is None:
            return self.get_response(request)
        if request.method not in SAFE_METHODS:
            # Here, before the middleware that gives any other 405 its body.
            return responses.respond(
                code="method_not_allowed",
                detail="This address answers GET, HEAD. Nothing was changed.",
                headers={"Allow": "GET, HEAD"},
            )
        response = answer()
        response["Cache-Control"] = "no-store"
        response["Content-Length"] = str(len(response.content))  # no other middleware sets it
        return response


def healthz() -> JsonResponse:
    """Return status 200."""
    return JsonResponse({"status": "ok"})


def readyz() -> JsonResponse:
    """Return status 200 if the database responds and no migration is pending, else 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        are_pending = migrations.are_pending()
    except Error as error:
        logger.error("Not ready: %s", type(error).__name__)
        return JsonResponse({"status": "unavailable", "database": "unavailable"}, status=503)
    if are_pending:
        told = {"status": "unavailable", "database": "ok", "migrations": "pending"}
        return JsonResponse(told, status=503)
    return JsonResponse({"status": "ok", "database": "ok", "migrations": "ok"})


class Migrations:
    """Whether some are pending. Once none is, this process does not look again."""

    def __init__(self) -> None:
        self.were_applied = False

    def are_pending(self) -> bool:
        """Reads the migrations' files and the table of those applied. Raises django.db.Error."""
        if not self.were_applied:
            executor = MigrationExecutor(connection)
            self.were_applied = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        return not self.were_applied


migrations = Migrations()
