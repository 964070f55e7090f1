from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from actions import breaker, containment


def circuit_breaker(request: HttpRequest) -> dict[str, Any]:
    """`trip`, for the banner: lazy, so that a page without one costs no query."""
    user = getattr(request, "user", None)
    # A stranger is told nothing; and in a dry run nothing is stopped.
    if user is None or not user.is_authenticated or not containment.is_on():
        return {"trip": None}
    return {"trip": SimpleLazyObject(breaker.tripped)}
