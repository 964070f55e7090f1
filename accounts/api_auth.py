"""Who calls the API: a person with a session, or a program with an access token (RFC 6750)."""

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
    "findings:read": "Read the threat policy, what was found, and what was done.",
    "findings:write": "Change the threat policy.",
    "security:read": "Read the security log: who signed in, and who changed what anybody may do.",
}


class CallerRefused(Exception):
    """A caller who may not do this. The API answers with `refuse`."""

    code: ClassVar[str]  # of a row of problems.catalog

    def __init__(self, detail: str, *, challenge: str = "") -> None:
        super().__init__(detail)
        self.challenge = challenge  # the header WWW-Authenticate


class Unauthenticated(CallerRefused):
    code = "unauthenticated"


class CsrfFailed(CallerRefused):
    code = "csrf_failed"


class InsufficientScope(CallerRefused):
    code = "insufficient_scope"


class PermissionMissing(CallerRefused):
    code = "permission_denied"


def refuse(request: HttpRequest, refused: CallerRefused) -> HttpResponse:
    return responses.respond(
        code=refused.code,
        detail=str(refused),
        headers={"WWW-Authenticate": refused.challenge} if refused.challenge else None,
    )


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking. A person has a `user`; a program has a `client_id`, and scopes instead."""

    name: str
    user: User | None = None
    client_id: str = ""
    scopes: frozenset[str] = frozenset()

    def may(self, *, permission: str, scope: str) -> bool:
        """Whether a person has the permission, or a program the scope."""
        return scope in self.scopes if self.user is None else self.user.has_perm(permission)

    def require(self, *, permission: str, scope: str) -> None:
        """Raises CallerRefused unless a person has the permission, or a program the scope."""
        if self.may(permission=permission, scope=scope):
            return
        if self.user is None:
            msg = f"This needs an access token with the scope {scope}."
            raise InsufficientScope(
                msg, challenge=f'Bearer error="insufficient_scope", scope="{scope}"'
            )
        msg = f"This needs the permission {permission}. An administrator can give it to you."
        raise PermissionMissing(msg)


def by_access_token(request: HttpRequest) -> Caller | None:
    """The program whose token the request bears; None without a token.

    A token that is no good is refused here: it is not ignored in favour of a session.
    """
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    # Not by oauthlib's verify_request: it chokes on some query strings, takes a scope that is
    # missing for a bad token, and also looks for the token in places other than the header.
    programs = Token.objects.select_related("client").filter(client__isnull=False, user=None)
    if request.method not in SAFE_METHODS:
        # Who deletes the client or revokes the token waits for the write, or the write for them.
        programs = programs.select_for_update(no_key=True, of=("self", "client"))
    token = programs.lookup(Token.Type.ACCESS_TOKEN, value.strip())
    if token is None:
        record(EventKind.TOKEN_REFUSED, request=request, method="access token")
        msg = "The access token is unknown, expired or revoked. Obtain a new one."
        raise Unauthenticated(msg, challenge='Bearer error="invalid_token"')
    return Caller(
        name=token.client.name, client_id=token.client.pk, scopes=frozenset(token.get_scopes())
    )


def by_session(request: HttpRequest) -> Caller:
    """The person who is signed in; their browser proves that a page of ours sent the request."""
    if not isinstance(request.user, User):
        msg = "Sign in, or send an access token."
        raise Unauthenticated(msg, challenge='Bearer realm="Threat Reaction"')
    if check_csrf(request):
        msg = "Send the cookie csrftoken's value in the header X-CSRFToken, or reload the page."
        raise CsrfFailed(msg)
    return Caller(name=request.user.get_username(), user=request.user)


authenticate = [by_access_token, by_session]  # in this order; the first that answers counts


def anybody(request: HttpRequest) -> Caller:
    """The caller, for an operation that also answers strangers: these get a Caller who may nothing.

    Raises CallerRefused for an access token that is not valid.
    """
    if caller := by_access_token(request):
        return caller
    return by_session(request) if request.user.is_authenticated else Caller(name="")


def callers_who(*, permission: str, scope: str) -> list[Callable[[HttpRequest], Caller | None]]:
    """The ways to authenticate, each followed by the right: 403 comes before 415, 400 and 422."""

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
