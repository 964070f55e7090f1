"""Authenticates callers of the API: users by session, programs by access token (RFC 6750)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from allauth.idp.oidc.models import Token
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from ninja.utils import check_csrf

from accounts.models import EventKind
from accounts.security_log import record
from license.middleware import SAFE_METHODS
from problems import responses

SCOPES = {
    "license:read": "Read the license: plan, account, dates and days left.",
    "findings:read": "Read the threat policy, findings, actions and buckets.",
    "findings:write": "Change the threat policy.",
    "actions:write": "Request actions: contain and undo; approve or reject those that wait.",
    "buckets:write": "Register S3 buckets for the detectors, change and remove them.",
    "notifications:read": "Read the notification rules and destinations, without secrets.",
    "notifications:write": "Change the notification rules and destinations.",
    "findings:triage": "Change the status and the assignee of findings, and add notes.",
    "security:read": "Read the security log: sign-ins and changes of permissions.",
}


class CallerRefused(Exception):
    """The caller is not authenticated or not authorized. `refuse` turns it into a response."""

    code: ClassVar[str]  # of a row of problems.catalog

    def __init__(self, detail: str, *, challenge: str = "") -> None:
        super().__init__(detail)
        self.challenge = challenge  # the value of the header WWW-Authenticate


class Unauthenticated(CallerRefused):
    """401: no session or valid access token."""

    code = "unauthenticated"


class CsrfFailed(CallerRefused):
    """403: a session, but no valid CSRF token."""

    code = "csrf_failed"


class InsufficientScope(CallerRefused):
    """403: the access token lacks a scope."""

    code = "insufficient_scope"


class PermissionMissing(CallerRefused):
    """403: the user lacks a permission."""

    code = "permission_denied"


def refuse(request: HttpRequest, refused: CallerRefused) -> HttpResponse:
    """Returns the problem response (RFC 9457) for a refused caller."""
    return responses.respond(
        code=refused.code,
        detail=str(refused),
        headers={"WWW-Authenticate": refused.challenge} if refused.challenge else None,
    )


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated caller: a user, or a program with a `client_id` and scopes."""

    name: str
    user: User | None = None
    client_id: str = ""
    scopes: frozenset[str] = frozenset()

    def may(self, *, permission: str, scope: str) -> bool:
        """Whether the user has the permission or the program has the scope."""
        return scope in self.scopes if self.user is None else self.user.has_perm(permission)

    def require(self, *, permission: str, scope: str) -> None:
        """Raises CallerRefused unless the user has the permission or the program has the scope."""
        if self.may(permission=permission, scope=scope):
            return
        if self.user is None:
            msg = f"This request requires an access token with the scope {scope}."
            raise InsufficientScope(
                msg, challenge=f'Bearer error="insufficient_scope", scope="{scope}"'
            )
        msg = f"This request requires the permission {permission}. Ask an administrator for it."
        raise PermissionMissing(msg)


def by_access_token(request: HttpRequest) -> Caller | None:
    """Authenticates a program by the bearer token; returns None without one.

    Raises Unauthenticated if the token is invalid, even if the request also has a session.
    """
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    # Not oauthlib's verify_request: it fails on some query strings, reports a missing scope as an
    # invalid token, and accepts tokens outside the header.
    programs = Token.objects.select_related("client").filter(client__isnull=False, user=None)
    if request.method not in SAFE_METHODS:
        # Deleting the client or revoking the token waits for this write, or the write for them.
        programs = programs.select_for_update(no_key=True, of=("self", "client"))
    token = programs.lookup(Token.Type.ACCESS_TOKEN, value.strip())
    if token is None:
        record(EventKind.TOKEN_REFUSED, request=request, method="access token")
        msg = "The access token is unknown, expired or revoked. Request a new one."
        raise Unauthenticated(msg, challenge='Bearer error="invalid_token"')
    return Caller(
        name=token.client.name, client_id=token.client.pk, scopes=frozenset(token.get_scopes())
    )


def by_session(request: HttpRequest) -> Caller:
    """Authenticates a user by session and CSRF token.

    Raises Unauthenticated or CsrfFailed.
    """
    if not isinstance(request.user, User):
        msg = "Sign in, or send an access token."
        raise Unauthenticated(msg, challenge='Bearer realm="Threat Reaction"')
    if check_csrf(request):
        msg = (
            "Send the value of the cookie csrftoken in the header X-CSRFToken, or reload the page."
        )
        raise CsrfFailed(msg)
    return Caller(name=request.user.get_username(), user=request.user)


authenticate = [by_access_token, by_session]  # in this order; the first that returns a caller wins


def anybody(request: HttpRequest) -> Caller:
    """Returns the caller; one without permissions if the request is not authenticated.

    Raises Unauthenticated for an invalid access token, and CsrfFailed.
    """
    if caller := by_access_token(request):
        return caller
    return by_session(request) if request.user.is_authenticated else Caller(name="")


def callers_who(*, permission: str, scope: str) -> list[Callable[[HttpRequest], Caller | None]]:
    """Returns Ninja authenticators that also check authorization.

    Checking it here makes 403 come before 415, 400 and 422.
    """

    def followed_by_right(
        ask: Callable[[HttpRequest], Caller | None],
    ) -> Callable[[HttpRequest], Caller | None]:
        def ask_both(request: HttpRequest) -> Caller | None:
            caller = ask(request)
            if caller:
                caller.require(permission=permission, scope=scope)
            return caller

        return ask_both

    return [followed_by_right(ask) for ask in authenticate]
