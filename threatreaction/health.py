"""What is asked by machines next to the portal: load balancers and Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

from license.middleware import SAFE_METHODS
from problems import responses
from serving.health import readiness
from threatreaction.metrics import metrics


class HealthMiddleware:
    """Responds to /healthz, /readyz and, if METRICS_TOKEN is set, /metrics.

    Load balancers and Prometheus ask each process over plain HTTP with an IP address as Host. This
    middleware must precede all but the access log, so that they bypass ALLOWED_HOSTS and the
    redirect to HTTPS.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answers: dict[str, Callable[[HttpRequest], HttpResponse]]
        answers = {"/healthz": healthz, "/readyz": readyz}
        if settings.METRICS_TOKEN:
            answers["/metrics"] = metrics
        answer = answers.get(request.path_info)
        if answer is None:
            return self.get_response(request)
        if request.method not in SAFE_METHODS:
            # Here, before the middleware that gives any other 405 its body.
            return responses.respond(
                code="method_not_allowed",
                detail="This address answers GET, HEAD. Nothing was changed.",
                headers={"Allow": "GET, HEAD"},
            )
        response = answer(request)
        response["Cache-Control"] = "no-store"
        response["Content-Length"] = str(len(response.content))  # no other middleware sets it
        return response


def healthz(request: HttpRequest) -> HttpResponse:
    """Returns status 200."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """Returns status 200 if the database responds and no migration is pending, else 503."""
    found = readiness()
    return JsonResponse(found, status=200 if found["status"] == "ok" else 503)
