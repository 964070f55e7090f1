"""The codes that are mailed to people: how often, and which of them are good.

Whoever asks for a code is not signed in, so a stranger can ask in anybody's name. Codes are mailed
to one address ever more slowly, and every code that was mailed lately is good, whichever browser
asked for it. So a request that sends no mail locks nobody out.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import TypedDict

from allauth.core.internal.cryptokit import compare_user_code  # as allauth's own forms compare
from allauth.core.internal.ratelimit import cache_lock  # Django's cache has no lock
from django.core.cache import cache
from django.views.decorators.debug import sensitive_variables

# Seconds. A code is good for longer than the longest wait for the next one.
FIRST_WAIT = 60
LONGEST_WAIT = 15 * 60
GOOD_FOR = 30 * 60
FORGOTTEN_AFTER = 60 * 60  # without a mail


class _Sent(TypedDict):
    """What was mailed to an address lately. It is the same for an address that nobody has."""

    next_at: float
    wait: int
    codes: list[tuple[str, float]]  # with the time of the mail


@sensitive_variables()
def mail(kind: str, email: str, code: str, send: Callable[[], None]) -> None:
    """Calls `send`, unless mail of this kind went to the address a short while ago."""
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
        cache.set(name, before, FORGOTTEN_AFTER)  # nothing went out, so nobody has to wait
        raise


@sensitive_variables()
def take(kind: str, email: str, code: str) -> bool:
    """Whether the code was mailed to the address and is good. Then none of them is good again."""
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
