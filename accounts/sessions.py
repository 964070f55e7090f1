"""The sessions of a person: what the page lists, and how they end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module

from allauth.core.internal.sessionkit import get_session_user  # Django's own needs a request
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.utils import timezone

from accounts.models import EventKind
from accounts.security_log import record

ACTIVE = "active"  # in the session: since when, and until when; in seconds since 1970


# What a user agent calls itself, the more telling first: most also name those further down.
_BROWSERS = {
    "Edg": "Edge", "OPR": "Opera", "SamsungBrowser": "Samsung Internet", "Firefox": "Firefox",
    "FxiOS": "Firefox", "Chrome": "Chrome", "CriOS": "Chrome", "Safari": "Safari",
}  # fmt: skip
_SYSTEMS = {
    "Windows": "Windows", "Android": "Android", "iPhone": "iPhone", "iPad": "iPad",
    "CrOS": "ChromeOS", "Mac OS X": "macOS", "Linux": "Linux",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class OpenSession:
    pk: int
    address: str
    user_agent: str
    since: datetime
    seen: datetime
    is_current: bool

    @property
    def device(self) -> str:
        """A guess, for people: "Firefox on Linux"."""
        browser, system = (
            next((name for sign, name in signs.items() if sign in self.user_agent), "")
            for signs in (_BROWSERS, _SYSTEMS)
        )
        return f"{browser or 'Unknown browser'} on {system}" if system else browser


def open_sessions(user: User, current_key: str | None) -> list[OpenSession]:
    """Those that would still be let in, the current one first, then the last seen."""
    found = []
    for row in UserSession.objects.filter(user=user):
        session = _stored(row.session_key)
        if get_session_user(session) != user:
            continue
        now = int(timezone.now().timestamp())
        began, seen = session.get(ACTIVE, (now, now))
        if has_idled(seen, now) or has_expired(began, now):
            continue
        found.append(
            OpenSession(
                pk=row.pk,
                address=row.ip,
                user_agent=row.user_agent,
                since=datetime.fromtimestamp(began, UTC),
                seen=datetime.fromtimestamp(seen, UTC),
                is_current=row.session_key == current_key,
            )
        )
    return sorted(found, key=lambda one: (one.is_current, one.seen), reverse=True)


def has_idled(seen: int, now: int) -> bool:
    return bool(now - seen > settings.SESSION_IDLE_MINUTES * 60)


def has_expired(began: int, now: int) -> bool:
    return now - began > settings.SESSION_COOKIE_AGE  # Django counts from the last change


def note(session_key: str, user_id: str, *, address: str, user_agent: str) -> None:
    """Remembers where the session was last seen."""
    seen = {"user_id": user_id, "ip": address, "user_agent": user_agent[:200]}
    UserSession.objects.update_or_create(
        session_key=session_key, defaults={**seen, "last_seen_at": timezone.now()}
    )


def end(user: User, why: str, *, only: int | None = None, keep: str | None = None) -> None:
    """Ends the person's sessions at once: all, or `only` one, but for the one with the key `keep`.

    A request that is under way in an ended session cannot store it again.
    """
    rows = UserSession.objects.filter(user=user).exclude(session_key=keep or "")
    for row in rows.filter(pk=only) if only else rows:
        if _stored(row.session_key).exists(row.session_key):
            detail = f"{why}; it was last at {row.ip}"
            record(EventKind.SESSION_ENDED, user=user, detail=detail)
        row.end()


def _stored(session_key: str) -> SessionBase:
    store: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    return store
