from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from actions import breaker


def circuit_breaker(request: HttpRequest) -> dict[str, Any]:
    """`trip`, for the banner: lazy, so that a page without one costs no query."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"trip": None}  # a stranger is told nothing
    return {"trip": SimpleLazyObject(breaker.tripped)}
