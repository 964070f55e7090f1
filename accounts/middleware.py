"""Session limits, required second factors, rate limits, and the transaction of each write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from allauth.core.internal import ratelimit  # internal: no public API is shared by processes
from allauth.idp.oidc.models import Token
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.contrib.messages.storage import default_storage
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from accounts import second_factor, sessions, waiting
from accounts.models import EventKind
from accounts.security_log import address_of, record
from accounts.sessions import ACTIVE
from license import refusal, status
from license.middleware import SAFE_METHODS, LicensedRequest
from problems import responses

ENDED = "ended_after_minutes"  # key in the next session: the idle limit in minutes
AUTOMATIC = "X-Automatic"  # header of what a page asks for by itself, which is no activity
NOTED_EVERY = 60  # seconds; avoids a write with every request


class IdleTimeoutMiddleware:
    """Ends a session SESSION_IDLE_MINUTES after its last request, or at SESSION_COOKIE_AGE."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        session = request.session
        if SESSION_KEY in session:
            now = int(timezone.now().timestamp())
            began, seen = session.get(ACTIVE, (0, 0))  # it began before sessions had limits
            if sessions.has_expired(began, now):
                _end(request, detail="after 12 hours")
            elif sessions.has_idled(seen, now):
                _end(request, detail="after inactivity")
                session[ENDED] = settings.SESSION_IDLE_MINUTES
            elif now - seen >= NOTED_EVERY and AUTOMATIC not in request.headers:
                session[ACTIVE] = (began, now)
                _note(request)
        return self.get_response(request)


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


FORM_TYPES = {"application/x-www-form-urlencoded", "multipart/form-data"}


class SignInMiddleware(LoginRequiredMiddleware):
    """Redirects unauthenticated requests to the sign-in page.

    After a form was sent, the sign-in page says that it was not saved, and leads back to the page
    of the form.
    """

    def handle_no_permission(
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponseRedirect:
        is_form = request.content_type in FORM_TYPES and responses.wants_html(request)
        if request.method in SAFE_METHODS or "HX-Request" in request.headers or not is_form:
            return super().handle_no_permission(request, view_func)
        messages.warning(
            request,
            "You were signed out before you sent the form. Nothing was saved, and your input was"
            " not kept. Sign in and enter it again.",
        )
        return redirect_to_login(_path_of_form(request), self.get_login_url(view_func))


def _path_of_form(request: HttpRequest) -> str:
    """Return the path of the page that contains the sent form; of the request if it is unknown."""
    referer = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(referer, {request.get_host()}):
        return request.get_full_path()
    parts = urlsplit(referer)
    return urlunsplit(("", "", parts.path, parts.query, ""))


class SecondFactorMiddleware:
    """Restricts users who lack a required second factor to the pages that enroll one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        """Redirects browsers to the enrollment page; responds to programs with 403."""
        match = request.resolver_match
        if match is None or match.view_name in settings.UNAUTHENTICATED_VIEWS:
            return None
        if not second_factor.is_missing(request):
            return None
        request.needs_second_factor = True  # type: ignore[attr-defined]  # read by templates
        if match.view_name in settings.ENROLLMENT_VIEWS:
            return None
        if responses.wants_html(request):
            return redirect("mfa_index")
        return responses.respond(
            code="second_factor_required",
            detail="Your role requires a second factor. Sign in to the portal and set one up.",
        )


SIGN_OUT_VIEWS = {"account_logout", "admin:logout"}


class SignOutMiddleware:
    """Lets the browser forget what pages keep in it, when the user signs out.

    These are the unsaved changes of the Threats page. A session that ends by itself keeps them.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        was_signed_in = SESSION_KEY in request.session
        response = self.get_response(request)
        match = request.resolver_match
        signed_out = was_signed_in and SESSION_KEY not in request.session
        if signed_out and match and match.view_name in SIGN_OUT_VIEWS:
            response.headers["Clear-Site-Data"] = '"storage"'
        return response


class AnonymousWriteMiddleware:
    """Rate limits unauthenticated writes per client address (429).

    Requests with a session or a valid access token do not count and are not limited.
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
        if response.status_code == 429:  # from allauth, which sets no Retry-After
            response.headers.setdefault("Retry-After", str(waiting.seconds(request)))
        return response


def _is_authenticated(request: HttpRequest) -> bool:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return Token.objects.valid().by_value(value.strip()).exists()  # type: ignore[no-any-return]
    return SESSION_KEY in request.session


def _too_many(request: HttpRequest) -> HttpResponse:
    headers = {"Retry-After": str(waiting.seconds(request))}
    if responses.wants_html(request):
        page = render_to_string("429.html", request=request)
        return HttpResponse(page, status=429, headers=headers)
    return responses.respond(
        code="too_many_requests",
        detail="This address has sent too many requests without signing in. Try again in"
        f" {waiting.in_words(request)}.",
        headers=headers,
    )


class WriteMiddleware:
    """Runs each write that requires a license or a caller in one transaction.

    The other middlewares' checks, the view, and a second license check before the commit all run
    in it. Therefore it must be last in MIDDLEWARE. The body has already been received, so a slow
    client cannot delay the write after the checks.
    """

    def __init__(self, get_response: Callable[[LicensedRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: LicensedRequest) -> HttpResponseBase:
        if request.method in SAFE_METHODS:
            return self.get_response(request)
        user_id = request.session.get(SESSION_KEY)
        if user_id is None and _is_sign_in(request):
            return self.get_response(request)  # hashing a password must not block writers
        ended = None
        with transaction.atomic():
            if user_id is not None:
                _hold(request.session, user_id)
            response = self.get_response(request)
            if response.status_code < 400 and not request.license_exempt:
                # It may have expired, or another key or list may have come, meanwhile.
                license_status = status.current(verified=request.license_verified)
                ended = None if license_status.allows_writes else license_status
            if ended or response.status_code >= 500:
                transaction.set_rollback(True)
        if not ended:
            return response
        request.license_status = ended
        request._messages = default_storage(request)  # type: ignore[attr-defined]  # as if unsent
        return refusal.refuse(request, ended)


def _is_sign_in(request: HttpRequest) -> bool:
    """Whether the view is exempt from the license, such as the sign-in, or does not exist."""
    try:
        return resolve(request.path_info).view_name in settings.LICENSE_EXEMPT_VIEWS
    except Resolver404:
        return True


def _hold(session: SessionBase, user_id: Any) -> None:
    """Locks the user and the session until the commit.

    Deactivating the user, changing the password and ending the session wait for this write, or the
    write for them. `accounts.api_auth.by_access_token` does the same for programs.
    """
    list(User.objects.select_for_update(no_key=True).filter(pk=user_id).values_list("pk"))
    rows = Session.objects.select_for_update(no_key=True).filter(pk=session.session_key)
    if not rows.values_list("pk"):
        session.flush()  # it has ended since it was loaded
