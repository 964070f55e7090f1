"""The problem types of this app, for problems.catalog."""

from __future__ import annotations

from accounts import roles
from problems.catalog import CREDENTIALS_COMMAND, ProblemType, register


@register
def problem_types() -> list[ProblemType]:
    """Returns the problem types of authentication, authorization and rate limits."""
    return [
        ProblemType(
            code="unauthenticated",
            title="Sign-in required",
            status=401,
            cause="The request has no session and no access token, or a token that is unknown,"
            " expired or revoked. A token is valid for one hour.",
            fix="In a browser, sign in. In a program, request a new token and send it in the header"
            " `Authorization: Bearer`.",
            command=CREDENTIALS_COMMAND,
        ),
        ProblemType(
            code="permission_denied",
            title="Permission denied",
            status=403,
            cause=f"You are signed in, but your role does not allow this: {roles.in_a_sentence()}.",
            fix="Ask an administrator of this portal to give you the required role. They can do"
            " this on the [People page](/people); it takes effect immediately.",
            command="manage.py shell -c \"Group.objects.get(name='operators')"
            ".user_set.add(User.objects.get(username='NAME'))\"",
        ),
        ProblemType(
            code="second_factor_required",
            title="Second factor required",
            status=403,
            cause="Your role requires a second factor, and your account has none. Set one up before"
            " you do anything else.",
            fix="Open [Account security](/accounts/2fa/) and set up an authenticator app or a"
            " passkey. If you have lost yours, an administrator can remove it on the"
            " [People page](/people), or with the command.",
            command="manage.py removesecondfactors NAME",
        ),
        ProblemType(
            code="insufficient_scope",
            title="Insufficient scope",
            status=403,
            cause="The access token is valid, but its client does not have the scope that this"
            " operation requires. `detail` names the scope.",
            fix="Give the client that scope on the [API clients page](/clients), or create another"
            " one, and request a new token.",
            command="manage.py createapiclient NAME --scope findings:read --scope findings:write",
        ),
        ProblemType(
            code="too_many_requests",
            title="Too many requests",
            status=429,
            cause="Your address has sent too many unauthenticated writes: sign-ins, requests for"
            " access tokens, or rejected requests. Nothing was changed.",
            fix="Wait for the number of seconds in the `Retry-After` header. Reuse an access token"
            " for the hour that it is valid instead of requesting one for each request.",
            command='curl -sS -u "$CLIENT_ID:$CLIENT_SECRET" -d grant_type=client_credentials'
            " PORTAL_URL/oauth/token",
        ),
    ]
