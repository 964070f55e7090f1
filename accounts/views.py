"""The security log, sessions, single sign-on and OAuth tokens. Most views extend allauth's."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from allauth.account import views as allauth_views
from allauth.account.internal.flows.reauthentication import STATE_SESSION_KEY  # has no public name
from allauth.core.internal import ratelimit  # the public one counts by allauth.account's rates only

# Nothing public reads a client's credentials, or refuses whoever is not signed in.
from allauth.core.internal.httpkit import authenticated_user, extract_basic_auth
from allauth.idp.oidc import views as oidc
from allauth.idp.oidc.models import Client, Token
from allauth.socialaccount.providers.openid_connect import views as openid_connect
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import hashers
from django.contrib.auth.decorators import login_not_required, permission_required
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    UnreadablePostError,
)
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import resolve, reverse_lazy
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST, require_safe
from django.views.generic.edit import FormView
from requests import RequestException

from accounts import clients, roles, sessions
from accounts.forms import EndSessionsForm, SecurityLogFilter
from accounts.models import EventKind, SecurityEvent
from accounts.security_log import record
from license.middleware import SAFE_METHODS, LicensedRequest
from storage import filters, paging
from storage.paging import CursorPager

PAGER = CursorPager(50)  # of the security log
RATES = {"client_secret_failed": "10/m/ip"}


@require_GET
def no_role(request: HttpRequest) -> HttpResponse:
    """Tells a user without permissions how to get a role."""
    if request.user.get_all_permissions():
        return redirect("home")
    return render(request, "account/no_role.html", {"roles": roles.powers()})


@require_safe
@permission_required("accounts.view_securityevent", raise_exception=True)
def security_log(request: HttpRequest) -> HttpResponse:
    """Lists security events, newest first."""
    wanted = paging.wanted(request)
    form = SecurityLogFilter(wanted)
    context = {
        "form": form,
        "wanted": wanted,
        "chips": filters.chips(form, wanted, request.path),
        "presets": filters.presets(
            form, "period", wanted, request.path, instead_of=("since", "until")
        ),
    }
    if form.is_valid():
        events = form.narrow(SecurityEvent.objects.all(), now=timezone.now())
        context["shown"] = PAGER.shown(request, events)
    return render(request, "account/security_log.html", context)


class SessionsView(FormView[EndSessionsForm]):
    """Lists the user's own sessions and ends them."""

    form_class = EndSessionsForm
    template_name = "usersessions/usersession_list.html"
    success_url = reverse_lazy("usersessions_list")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user = authenticated_user(self.request)
        current = self.request.session.session_key
        return super().get_context_data(
            **kwargs, sessions=sessions.open_sessions(user, current), current=current
        )

    def form_valid(self, form: EndSessionsForm) -> HttpResponse:
        user = authenticated_user(self.request)
        current = self.request.session.session_key
        only = form.cleaned_data["session"]
        sessions.end(user, "ended by the user", only=only, keep=current)
        messages.success(self.request, "Session ended." if only else "All other sessions ended.")
        return super().form_valid(form)


class EmailView(allauth_views.EmailView):  # type: ignore[misc]  # allauth is not typed
    """allauth's page of email addresses, except that GET does not write."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method not in SAFE_METHODS:
            response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
            return response
        self._did_send_verification_email = False
        # Skips allauth's dispatch, which adds a row for the user's address.
        page: HttpResponseBase = super(allauth_views.EmailView, self).dispatch(request)
        return page


def reauthentication(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Wraps a reauthentication view of allauth, so that it cannot bypass the license.

    The view is exempt from the license, but it resumes the write that required reauthentication.
    If that write requires a license and there is none by then, it is discarded.
    """

    @wraps(view)
    def gated(request: LicensedRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if STATE_SESSION_KEY in request.session and not _resumes_exempt(request.session):
            if request.license_status.allows_writes:
                request.license_exempt = False  # checks the license again before the commit
            else:
                del request.session[STATE_SESSION_KEY]
        return view(request, *args, **kwargs)

    return gated


def _resumes_exempt(session: SessionBase) -> bool:
    """Whether the interrupted write is exempt from the license."""
    interrupted = json.loads(session.get(STATE_SESSION_KEY, {}).get("request", "{}"))
    return "path_info" in interrupted and (
        resolve(interrupted["path_info"]).view_name in settings.LICENSE_EXEMPT_VIEWS
    )


@login_not_required
def openid_connect_login(request: HttpRequest, provider_id: str) -> HttpResponse:
    """allauth's view, except that a page with a refresh redirects to the identity provider.

    The CSP directive form-action 'self' also applies to redirects after a form submission, and
    the hosts that a provider redirects through are unknown. A refresh is not a form submission.
    """
    try:
        response: HttpResponse = openid_connect.login(request, provider_id)
    except RequestException:
        return render(request, "socialaccount/authentication_error.html", status=502)
    if isinstance(response, HttpResponseRedirect) and urlsplit(response.url).netloc:
        return render(request, "socialaccount/login_redirect.html", {"redirect_to": response.url})
    return response


def _oauth_error(error: str, description: str, *, status: int = 400) -> JsonResponse:
    """Returns an error response (RFC 6749, section 5.2)."""
    return JsonResponse(
        {"error": error, "error_description": description},
        status=status,
        headers={"Cache-Control": "no-store"},
    )


def _refuse_malformed(request: HttpRequest) -> JsonResponse | None:
    """Returns an error for requests that RFC 6749 forbids and allauth or the database mishandle."""
    try:
        parameters = dict(request.POST.lists())
    except (BadRequest, MultiPartParserError, SuspiciousOperation, UnreadablePostError):
        return _oauth_error("invalid_request", "The body cannot be read.")
    if request.META.get("QUERY_STRING"):
        return _oauth_error("invalid_request", "Send the parameters in the body, as a form.")
    if any(len(values) > 1 for values in parameters.values()):
        return _oauth_error("invalid_request", "A parameter is sent more than once.")
    if not all(value.isascii() and value.isprintable() for (value,) in parameters.values()):
        return _oauth_error("invalid_request", "A parameter contains an invalid character.")
    if not _credentials(request)[0].isprintable():
        return _oauth_error("invalid_client", "Unknown client.", status=401)
    if "resource" in parameters:  # RFC 8707; tokens are valid for the whole API
        return _oauth_error("invalid_target", "A token cannot be limited to a resource.")
    return None


@csrf_exempt  # the caller authenticates with a secret, not a session
@login_not_required
@require_POST
@never_cache
@sensitive_post_parameters("client_secret")
def oauth_token(request: HttpRequest) -> HttpResponse:
    """Issues access tokens for client credentials (RFC 6749, section 4.4), the only grant."""
    if malformed := _refuse_malformed(request):
        return malformed
    if "grant_type" not in request.POST:
        return _oauth_error("invalid_request", "grant_type is missing.")
    if request.POST["grant_type"] != "client_credentials":
        return _oauth_error("unsupported_grant_type", "grant_type must be client_credentials.")
    return _with_secret(request, oidc.token, EventKind.TOKEN_ISSUED)


def _credentials(request: HttpRequest) -> tuple[str, str]:
    """Returns the client id and secret of the request, unverified; allauth verifies them."""
    client_id, secret = extract_basic_auth(request.headers)
    if secret:
        return client_id, secret
    return request.POST.get("client_id", ""), request.POST.get("client_secret", "")


@csrf_exempt  # the caller authenticates with a secret, not a session
@login_not_required
@require_POST
@never_cache
@sensitive_post_parameters("client_secret", "token")
def oauth_revoke(request: HttpRequest) -> HttpResponse:
    """Revokes one of the client's own tokens (RFC 7009)."""
    if malformed := _refuse_malformed(request):
        return malformed
    # allauth deletes any token. Treat a token of another client as unknown.
    sent = request.POST.copy()
    token = Token.objects.by_value(sent.get("token", "")).first()
    if token and token.client_id != _credentials(request)[0]:
        token = None
        sent["token"] = "unknown"  # noqa: S105
    request.POST = sent  # type: ignore[assignment]  # where allauth reads it
    if token is None:
        return _with_secret(request, oidc.revoke, None)
    return _with_secret(request, oidc.revoke, EventKind.TOKEN_REVOKED)


def _with_secret(
    request: HttpRequest, view: Callable[[HttpRequest], HttpResponse], done: EventKind | None
) -> HttpResponse:
    """Calls a view that verifies a client's secret. Wrong secrets are rate limited per address.

    Records `done` on success. The security log names existing clients only: people mix up id and
    secret.
    """
    client_id, secret = _credentials(request)
    client = Client.objects.filter(pk=client_id).first()
    known = client.pk if client else ""

    def tell(kind: EventKind, detail: str = "") -> None:
        record(kind, request=request, client_id=known, method="client secret", detail=detail)

    usage = ratelimit.consume(request, app="accounts", action="client_secret_failed", config=RATES)
    if not usage:
        tell(EventKind.THROTTLED)
        return _oauth_error("temporarily_unavailable", "Too many wrong secrets.", status=429)
    if secret and not known:
        hashers.make_password(secret)  # so that response times do not disclose which clients exist
    response = view(request)
    if response.status_code != 401:
        usage.rollback()
    if response.status_code < 400 and done == EventKind.TOKEN_ISSUED:
        token = json.loads(response.content)["access_token"]
        if client is None or not clients.note_use(client, at=timezone.now()):
            Token.objects.by_value(token).delete()
            response = _oauth_error("invalid_client", "The client has just changed.", status=401)
    if response.status_code >= 400:
        tell(EventKind.CLIENT_REFUSED, json.loads(response.content).get("error", ""))
    elif done:
        tell(done)
    return response
