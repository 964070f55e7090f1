from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.core.internal import ratelimit  # nothing public counts across processes
from allauth.idp.oidc.models import Token
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve
from django.utils import timezone

from accounts import second_factor, sessions
from accounts.models import EventKind
from accounts.security_log import address_of, record
from accounts.sessions import ACTIVE
from license import refusal, status
from license.middleware import SAFE_METHODS, LicensedRequest
from problems import responses

ENDED = "ended_after_minutes"  # in the session after it: what the sign-in page tells
NOTED_EVERY = 60  # seconds, so that not every request writes


class IdleTimeoutMiddleware:
    """Ends a session after SESSION_IDLE_MINUTES without a request, or SESSION_COOKIE_AGE in all."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        session = request.session
        if SESSION_KEY in session:
            now = int(timezone.now().timestamp())
            began, seen = session.get(ACTIVE, (now, now))
            if sessions.has_expired(began, now):
                _end(request, detail="after 12 hours")
            elif sessions.has_idled(seen, now):
                _end(request, detail="without activity")
                session[ENDED] = settings.SESSION_IDLE_MINUTES
            elif now - seen >= NOTED_EVERY:
                session[ACTIVE] = (began, now)
                _note(request)
        response = self.get_response(request)
        if SESSION_KEY in session and ACTIVE not in session:  # somebody has just signed in
            now = int(timezone.now().timestamp())
            session[ACTIVE] = (now, now)
        return response


def _end(request: HttpRequest, *, detail: str) -> None:
    user = User.objects.filter(pk=request.session[SESSION_KEY]).first()
    request.session.flush()
    record(EventKind.SESSION_ENDED, request=request, user=user, detail=detail)


def _note(request: HttpRequest) -> None:
    if address := address_of(request):
        sessions.note(
            request.session.session_key or "",
            request.session[SESSION_KEY],
            address=address,
            user_agent=request.headers.get("User-Agent", ""),
        )


class SecondFactorMiddleware:
    """Lets whoever needs a second factor, and has none, do nothing but enroll one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or match.view_name in settings.UNAUTHENTICATED_VIEWS:
            return None
        if not second_factor.is_missing(request):
            return None
        request.needs_second_factor = True  # type: ignore[attr-defined]  # the templates ask
        if match.view_name in settings.ENROLLMENT_VIEWS:
            return None
        if responses.wants_html(request):
            return redirect("mfa_index")
        return responses.respond(
            code="second_factor_required",
            detail="Your role requires a second factor. Sign in to the portal and set one up.",
        )


RETRY_AFTER = {"Retry-After": "60"}  # seconds: the limits count by the minute


class AnonymousWriteMiddleware:
    """Answers 429 to an address that sends too many writes without being signed in.

    People with a session and programs with a valid access token are not counted, and go on from
    the same address.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method not in SAFE_METHODS and not _is_authenticated(request):
            rates = {"anonymous_write": settings.ANONYMOUS_WRITE_RATE}
            if not ratelimit.consume(
                request, app="accounts", action="anonymous_write", config=rates
            ):
                return _too_many(request)
        response = self.get_response(request)
        if response.status_code == 429:  # from allauth, which does not say when to try again
            for name, value in RETRY_AFTER.items():
                response.headers.setdefault(name, value)
        return response


def _is_authenticated(request: HttpRequest) -> bool:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return Token.objects.valid().by_value(value.strip()).exists()  # type: ignore[no-any-return]
    return SESSION_KEY in request.session


def _too_many(request: HttpRequest) -> HttpResponse:
    if responses.wants_html(request):
        page = render_to_string("429.html", request=request)
        return HttpResponse(page, status=429, headers=RETRY_AFTER)
    return responses.respond(
        code="too_many_requests",
        detail="This address has sent too many requests without signing in. Try again in a minute.",
        headers=RETRY_AFTER,
    )


class WriteMiddleware:
    """Makes each write that needs a license or a caller one transaction, which decides everything.

    The body has been read by then, so nothing keeps the write waiting after the license and the
    caller have been checked. It stands last in MIDDLEWARE: the checks of the others, the view, and
    the license a second time, all happen between BEGIN and COMMIT.
    """

    def __init__(self, get_response: Callable[[LicensedRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: LicensedRequest) -> HttpResponseBase:
        if request.method in SAFE_METHODS:
            return self.get_response(request)
        user_id = request.session.get(SESSION_KEY)
        if user_id is None and "Authorization" not in request.headers and _is_sign_in(request):
            return self.get_response(request)  # no writer should wait while a password is hashed
        ended = None
        with transaction.atomic():
            if user_id is not None:
                _hold(request.session, user_id)
            response = self.get_response(request)
            if response.status_code < 400 and not request.license_exempt:
                license_status = status.current()  # it may have ended while the view was at work
                ended = None if license_status.allows_writes else license_status
            if ended or response.status_code >= 500:
                transaction.set_rollback(True)
        return refusal.refuse(request, ended) if ended else response


def _is_sign_in(request: HttpRequest) -> bool:
    """Whether a stranger signs in, or sends what needs no license. Nothing is at no address."""
    try:
        return resolve(request.path_info).view_name in settings.LICENSE_EXEMPT_VIEWS
    except Resolver404:
        return True


def _hold(session: SessionBase, user_id: Any) -> None:
    """Who deactivates this person, changes their password or ends the session waits for the write,
    or it for them.

    `accounts.api_auth.by_access_token` does the same for a program.
    """
    list(User.objects.select_for_update(no_key=True).filter(pk=user_id).values_list("pk"))
    rows = Session.objects.select_for_update(no_key=True).filter(pk=session.session_key)
    if not rows.values_list("pk"):
        session.flush()  # it has ended meanwhile, and was read before
