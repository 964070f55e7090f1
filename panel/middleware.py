"""Session limits, and the second factor of staff."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect

from panel import second_factor
from panel.security_log import record

SAFE_METHODS = {"GET", "HEAD", "OPTIONS", "TRACE"}
# Views that verify a second factor, that set up the first one, and that sign out.
SHOWING = {"mfa_reauthenticate", "mfa_reauthenticate_webauthn"}
SETTING_UP = {"mfa_index", "mfa_activate_totp", "mfa_add_webauthn"}
LEAVING = {"admin:logout"}

ACTIVE = "active"  # session key: (start, last request), in seconds since 1970
ENDED = "ended_after_minutes"  # key in the next session: the idle limit in minutes
NOTED_EVERY = 60  # seconds; avoids a write with every request
HELD = "held_write"  # session key: a write that waits for the second factor


class SignInMiddleware:
    """Ends expired and idle sessions. Requires a second factor of staff, a recent one for writes.

    It must be last in MIDDLEWARE, after the CSRF check; panel.checks enforces this. It ignores
    views that do not require sign-in.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        user = request.user
        if not getattr(view, "login_required", True) or not isinstance(user, User):
            return None
        if _has_ended(request, user):
            return redirect_to_login(request.get_full_path())
        return _ask_for_second_factor(request, user) if user.is_staff else None


def begin(request: HttpRequest) -> None:
    """Starts the limits of a new session."""
    now = int(time.time())
    request.session[ACTIVE] = (now, now)


def _has_ended(request: HttpRequest, user: User) -> bool:
    """Ends the session if it has expired or idled; says whether it did.

    Sessions without a start time, from before the limits existed, count as expired.
    """
    session, now = request.session, int(time.time())
    began, seen = session.get(ACTIVE, (0, 0))
    idle = settings.STAFF_SESSION_IDLE_MINUTES if user.is_staff else settings.SESSION_IDLE_MINUTES
    is_old = now - began > settings.SESSION_COOKIE_AGE  # Django counts from the last change
    if is_old or now - seen > idle * 60:
        session.flush()
        if not is_old:
            session[ENDED] = idle
        record("session_ended", request=request, user=user, detail="old" if is_old else "idle")
        return True
    if now - seen >= NOTED_EVERY:
        session[ACTIVE] = (began, now)
    return False


def _ask_for_second_factor(request: HttpRequest, user: User) -> HttpResponse | None:
    match = request.resolver_match
    name = match.view_name if match else ""
    if name in SHOWING | LEAVING:
        return None
    if not second_factor.is_set_up(user):
        return None if name in SETTING_UP else redirect("mfa_index")
    if not second_factor.was_shown(request):
        return _show_again(request, user)
    is_write = request.method not in SAFE_METHODS
    if second_factor.was_shown_lately(request):
        if not is_write:
            _send_held(request)
        return None
    if is_write:
        _hold(request)
        return _show_again(request, user)
    return None


def _show_again(request: HttpRequest, user: User) -> HttpResponse:
    method = get_adapter().get_reauthentication_methods(user)[0]
    query = urlencode({"next": request.get_full_path()})
    return redirect(f"{method['url']}?{query}")


def _hold(request: HttpRequest) -> None:
    """Keeps the submitted form in the session. It has passed the CSRF check."""
    request.session[HELD] = {
        "to": request.get_full_path(),
        "body": request.POST.urlencode(),
        "at": time.time(),
    }


def _send_held(request: HttpRequest) -> None:
    """Replays the held write when the browser returns to its address.

    allauth would replay it under the address of its own page, so that forms in the response would
    be submitted there, and it would drop a write whose address has a query.
    """
    held = request.session.get(HELD)
    if not held or request.method != "GET" or held["to"] != request.get_full_path():
        return
    del request.session[HELD]
    if time.time() - held["at"] < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT:
        request.FILES  # noqa: B018  (reading it first would replace POST by an empty one later)
        request.method = request.META["REQUEST_METHOD"] = "POST"
        request.POST = QueryDict(held["body"])
