"""Rate limits and validates the codes that are emailed to people.

Requesting a code requires no authentication, so anybody can request one for any address. The wait
between two emails to one address doubles each time, and every recently emailed code is valid in
every browser. A request that is rate limited therefore locks nobody out.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import TypedDict

from allauth.core.internal.cryptokit import compare_user_code  # what allauth's forms use
from allauth.core.internal.ratelimit import cache_lock  # Django's cache has no lock
from django.core.cache import cache
from django.views.decorators.debug import sensitive_variables

# Seconds. A code must be valid for longer than the longest wait for the next one.
FIRST_WAIT = 60
LONGEST_WAIT = 15 * 60
GOOD_FOR = 30 * 60
FORGOTTEN_AFTER = 60 * 60  # since the last email


class _Sent(TypedDict):
    """What was recently emailed to an address, whether or not an account has it."""

    next_at: float
    wait: int
    codes: list[tuple[str, float]]  # each with the time when it was sent


@sensitive_variables()
def mail(kind: str, email: str, code: str, send: Callable[[], None]) -> None:
    """Calls `send`, unless the address has reached its rate limit for this kind of mail.

    Remembers `code`, if there is one, as valid for GOOD_FOR seconds. Passes on an OSError of
    `send`; the attempt does not count then.
    """
    name = _name(kind, email)
    with cache_lock(name) as locked:
        before: _Sent = cache.get(name) or _Sent(next_at=0, wait=FIRST_WAIT, codes=[])
        now = time.time()
        if not locked or now < before["next_at"]:
            return
        good = [one for one in before["codes"] if now - one[1] < GOOD_FOR]
        after: _Sent = {
            "next_at": now + before["wait"],
            "wait": min(2 * before["wait"], LONGEST_WAIT),
            "codes": [*good, (code, now)] if code else good,
        }
        cache.set(name, after, FORGOTTEN_AFTER)
    try:
        send()
    except OSError:
        cache.set(name, before, FORGOTTEN_AFTER)  # nothing was sent, so the limit does not apply
        raise


@sensitive_variables()
def take(kind: str, email: str, code: str) -> bool:
    """Whether the code was emailed to the address and is still valid.

    If it is, all codes of the address become invalid.
    """
    name = _name(kind, email)
    with cache_lock(name) as locked:
        sent: _Sent | None = cache.get(name) if locked else None
        now = time.time()
        for mailed, at in sent["codes"] if sent else []:
            if now - at < GOOD_FOR and compare_user_code(actual=code, expected=mailed):
                cache.delete(name)
                return True
    return False


def _name(kind: str, email: str) -> str:
    return f"mailed:{kind}:{hashlib.sha256(email.lower().encode()).hexdigest()}"
