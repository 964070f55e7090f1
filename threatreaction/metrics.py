"""GET /metrics: the state of the database, and the requests of this server.

gunicorn has several processes. Each counts its requests in files of a folder that gunicorn.conf.py
creates, and each adds up all files (prometheus_client's multiprocess mode). Without gunicorn,
the only process counts in its memory.
"""

from __future__ import annotations

import os

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector

from actions.metrics import DatabaseCollector
from problems import responses
from serving.metrics import is_authorized, more

# The labels are bounded: a client can choose neither a method nor a path as a label.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"

disable_created_metrics()  # type: ignore[no-untyped-call]  # the time at which each count began; several processes have none

REQUESTS = Counter(
    "threatreaction_requests",
    "Requests, by the name of the route and the status of the response.",
    ["method", "route", "status"],
    registry=None,
)
SECONDS = Histogram(
    "threatreaction_request_seconds",
    "Seconds from the first middleware to the response, by the name of the route.",
    ["method", "route"],
    registry=None,
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


def count(request: HttpRequest, *, status: int, seconds: float) -> None:
    """Counts a request that was answered, unless metrics are off.

    The route is the name of the URL pattern. Health checks, static files and unknown paths, which
    have none, count as OTHER.
    """
    if not settings.METRICS_TOKEN:
        return
    method = request.method if request.method in METHODS else OTHER
    route = request.resolver_match.view_name if request.resolver_match else OTHER
    REQUESTS.labels(method, route, status).inc()
    SECONDS.labels(method, route).observe(seconds)


def metrics(request: HttpRequest) -> HttpResponse:
    """Returns 401 without METRICS_TOKEN as the bearer token."""
    if not is_authorized(request.headers.get("Authorization", "")):
        return responses.respond(
            code="unauthenticated",
            detail="Send the value of METRICS_TOKEN as a bearer token.",
            headers={"WWW-Authenticate": 'Bearer realm="Threat Reaction metrics"'},
        )
    registry = CollectorRegistry()
    now = timezone.now()
    for collector in (DatabaseCollector(now), *more(now)):
        registry.register(collector)
    return HttpResponse(
        generate_latest(registry) + _of_requests(), content_type=CONTENT_TYPE_PLAIN_0_0_4
    )


def _of_requests() -> bytes:
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        registry.register(REQUESTS)
        registry.register(SECONDS)
        return generate_latest(registry)
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    try:
        return generate_latest(registry)
    except FileNotFoundError:  # gunicorn.conf.py just removed the file of a dead process
        return generate_latest(registry)
