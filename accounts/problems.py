"""The problems of this room, for problems.catalog."""

from __future__ import annotations

from problems.catalog import CREDENTIALS_COMMAND, ProblemType, register


@register
def problem_types() -> list[ProblemType]:
    return [
        ProblemType(
            code="unauthenticated",
            title="Sign-in required",
            status=401,
            cause="The request carries no session and no access token, or a token that is unknown,"
            " expired or revoked. A token lasts one hour.",
            fix="In a browser, sign in. In a program, obtain a new token and send it in the header"
            " `Authorization: Bearer`.",
            command=CREDENTIALS_COMMAND,
        ),
        ProblemType(
            code="permission_denied",
            title="Permission denied",
            status=403,
            cause="You are signed in, but your role does not allow this: viewers read, operators"
            " also change the policy, administrators also install licenses and manage users.",
            fix="Ask an administrator of this portal to put you into the group that may. They do it"
            " under Administration, Users; it holds from your next request on.",
            command="manage.py shell -c \"Group.objects.get(name='operators')"
            ".user_set.add(User.objects.get(username='NAME'))\"",
        ),
        ProblemType(
            code="second_factor_required",
            title="Second factor required",
            status=403,
            cause="This portal demands a second factor of your role, and your account has none."
            " Until you set one up you can do nothing else.",
            fix="Open [the security of your account](/accounts/2fa/) and set up an authenticator"
            " app or a passkey. If you have lost yours, an administrator removes it in"
            " Administration, Users, or with the command.",
            command="manage.py removesecondfactors NAME",
        ),
        ProblemType(
            code="insufficient_scope",
            title="Insufficient scope",
            status=403,
            cause="The access token is good, but its client was not given the scope that this"
            " operation needs. `detail` names it.",
            fix="Make a client with that scope, and obtain a token with its id and secret.",
            command="manage.py createapiclient NAME --scope findings:read --scope findings:write",
        ),
        ProblemType(
            code="too_many_requests",
            title="Too many requests",
            status=429,
            cause="Your address has sent too many writes without signing in: sign-ins, requests for"
            " an access token, or requests that were refused. Nothing was changed.",
            fix="Wait for as many seconds as the `Retry-After` header says. Keep an access token"
            " for the hour that it is valid instead of requesting one for each request.",
            command='curl -sS -u "$CLIENT_ID:$CLIENT_SECRET" -d grant_type=client_credentials'
            " PORTAL_URL/oauth/token",
        ),
    ]
