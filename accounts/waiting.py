"""Tells callers that are rate limited how long to wait.

allauth's rate limits answer yes or no. They are counted in the cache, where this module reads when
the next attempt is possible.
"""

from __future__ import annotations

import math
import time
from functools import wraps
from typing import Any

from allauth.core.exceptions import RateLimited
from allauth.core.internal import ratelimit  # internal: no public API tells the time
from django.core.cache import cache
from django.http import HttpRequest

# These limit what is stored, not what the caller may do.
_NOT_OF_THE_CALLER = {"security_log", "own_security_log"}


def install() -> None:
    """Makes each refusal of a rate limit note the wait in its request.

    Wraps the function through which all rate limits of allauth and of this app go.
    """
    consume = ratelimit.consume
    if hasattr(consume, "__wrapped__"):
        return

    @wraps(consume)
    def noting(request: HttpRequest, **limit: Any) -> Any:
        try:
            usage = consume(request, **limit)
        except RateLimited:
            _note(request, limit)
            raise
        if usage is None:
            _note(request, limit)
        return usage

    ratelimit.consume = noting


def seconds(request: HttpRequest) -> int:
    """Returns the seconds until the next attempt of a refused request; 60 if they are unknown."""
    return int(getattr(request, "retry_after", 60))


def in_words(request: HttpRequest) -> str:
    """Returns the same as text: "45 seconds" or "12 minutes"."""
    wait = seconds(request)
    if wait <= 90:
        return f"{wait} second{'' if wait == 1 else 's'}"
    return f"{math.ceil(wait / 60)} minutes"


def _note(request: HttpRequest, limit: dict[str, Any]) -> None:
    if limit["action"] in _NOT_OF_THE_CALLER:
        return
    named = {name: limit.get(name) for name in ("key", "user")}
    rates = ratelimit.get_rates(
        app=limit["app"], action=limit["action"], config=limit.get("config")
    )
    waits = [
        _wait(
            ratelimit.get_cache_key(
                request, app=limit["app"], action=limit["action"], rate=rate, **named
            ),
            rate,
        )
        for rate in rates
    ]
    request.retry_after = max([1, *waits])  # type: ignore[attr-defined]
    request.retry_in = in_words(request)  # type: ignore[attr-defined]  # read by 429.html


def _wait(cache_key: str, rate: ratelimit.Rate) -> int:
    """Returns the seconds until a limit allows an attempt; 0 if it does now."""
    attempts: list[float] = cache.get(cache_key, [])  # times, newest first
    if len(attempts) < rate.amount:
        return 0
    allowed_at: float = attempts[rate.amount - 1] + rate.duration
    return max(0, math.ceil(allowed_at - time.time()))
