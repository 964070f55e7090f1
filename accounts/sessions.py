"""Lists and ends the sessions of a user."""

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

ACTIVE = "active"  # session key: (start, last request), in seconds since 1970


# Tokens in user agents. The order matters: most user agents also contain later tokens.
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
    """A session that is still valid, for the sessions page."""

    pk: int
    address: str
    user_agent: str
    since: datetime
    seen: datetime
    is_current: bool

    @property
    def device(self) -> str:
        """Returns a name guessed from the user agent, such as "Firefox on Linux"."""
        browser, system = (
            next((name for sign, name in signs.items() if sign in self.user_agent), "")
            for signs in (_BROWSERS, _SYSTEMS)
        )
        return f"{browser or 'Unknown browser'} on {system}" if system else browser


def begin(session: SessionBase) -> None:
    """Starts the limits of a session at sign-in."""
    now = int(timezone.now().timestamp())
    session[ACTIVE] = (now, now)


def open_sessions(user: User, current_key: str | None) -> list[OpenSession]:
    """Returns the user's valid sessions: the current one, then the most recently used."""
    found = []
    for row in UserSession.objects.filter(user=user):
        session = _stored(row.session_key)
        if get_session_user(session) != user:
            continue
        now = int(timezone.now().timestamp())
        began, seen = session.get(ACTIVE, (0, 0))
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
    """Whether the last request is too long ago. Times are in seconds since 1970."""
    return bool(now - seen > settings.SESSION_IDLE_MINUTES * 60)


def has_expired(began: int, now: int) -> bool:
    """Whether the session is too old. Times are in seconds since 1970."""
    return now - began > settings.SESSION_COOKIE_AGE  # Django counts from the last change


def note(session_key: str, user_id: str, *, address: str, user_agent: str) -> None:
    """Stores the address and user agent of the session's last request."""
    seen = {"user_id": user_id, "ip": address, "user_agent": user_agent[:200]}
    UserSession.objects.update_or_create(
        session_key=session_key, defaults={**seen, "last_seen_at": timezone.now()}
    )


def end(user: User, why: str, *, only: int | None = None, keep: str | None = None) -> None:
    """Ends the user's sessions immediately, except the one with the session key `keep`.

    `only` is the primary key of the only session to end. `why` goes to the security log. A
    concurrent request cannot save an ended session again.
    """
    rows = UserSession.objects.filter(user=user).exclude(session_key=keep or "")
    for row in rows.filter(pk=only) if only else rows:
        if _stored(row.session_key).exists(row.session_key):
            detail = f"{why}; last used from {row.ip}"
            record(EventKind.SESSION_ENDED, user=user, detail=detail)
        row.end()


def _stored(session_key: str) -> SessionBase:
    store: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    return store
