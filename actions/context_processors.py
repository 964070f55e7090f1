from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from actions import breaker, containment


def circuit_breaker(request: HttpRequest) -> dict[str, Any]:
    """Provides `trip` for the banner; lazy, so a page that does not use it runs no query."""
    user = getattr(request, "user", None)
    # Hidden from anonymous users, and in a dry run, where there is nothing to stop.
    if user is None or not user.is_authenticated or not containment.is_on():
        return {"trip": None}
    return {"trip": SimpleLazyObject(breaker.tripped)}
