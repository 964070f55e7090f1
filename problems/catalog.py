"""The registry of all problem types that the portal returns (RFC 9457).

The problem document and the page under /problems both read the registry. This module declares the
problem types that several apps return. Each app registers its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProblemType:
    """The meaning of a problem code.

    `cause` and `fix` may contain `code` and [links](/path). In `command`, PORTAL_URL is replaced
    with the URL of the portal.
    """

    code: str
    title: str
    status: int
    cause: str
    fix: str
    command: str


class UnknownProblem(LookupError):
    """No problem type has this code."""


Source = Callable[[], Iterable[ProblemType]]
_sources: list[Source] = []


def register(source: Source) -> Source:
    """Register a function that returns problem types. It is called on each lookup."""
    _sources.append(source)
    return source


def every() -> list[ProblemType]:
    """Return all registered problem types."""
    return [row for source in _sources for row in source()]


def find(code: str) -> ProblemType:
    """Return the problem type with this code. Raises UnknownProblem."""
    for row in every():
        if row.code == code:
            return row
    msg = f"No problem type has the code {code!r}. Declare it in problems.catalog or in its app."
    raise UnknownProblem(msg)


CREDENTIALS_COMMAND = (
    "curl -u CLIENT_ID:CLIENT_SECRET -d grant_type=client_credentials \\\n  PORTAL_URL/oauth/token"
)
_OPENAPI_COMMAND = "curl PORTAL_URL/api/openapi.json"


@register
def _of_any_room() -> list[ProblemType]:
    return [
        ProblemType(
            code="bad_request",
            title="Bad request",
            status=400,
            cause="The portal cannot read the request: its body is incomplete or does not match its"
            " `Content-Type`, it has too many fields, or its `Host` header is not an allowed host"
            " name. Nothing was changed.",
            fix="Send the request again. If clients use another host name for the portal, add it to"
            " the environment variable `ALLOWED_HOSTS` and restart the portal.",
            command="curl -i PORTAL_URL/healthz",
        ),
        ProblemType(
            code="body_too_large",
            title="Request too large",
            status=413,
            cause="The request body is larger than 1 MiB. Nothing was changed. The whole catalog of"
            " finding types at every severity is a tenth of that size.",
            fix="Send the policies in several requests, or remove white space.",
            command="python3 -c 'import json, sys; json.dump(json.load(sys.stdin), sys.stdout,"
            ' separators=(",", ":"))\' < policies.json',
        ),
        ProblemType(
            code="csrf_failed",
            title="CSRF check failed",
            status=403,
            cause="A write that a session authenticates must contain a valid CSRF token. The token"
            " is missing or outdated: you signed in or out while the page was open, or the browser"
            " does not accept cookies.",
            fix="Reload the page and send the change again. Programs should use an access token,"
            " which does not require a CSRF token.",
            command=CREDENTIALS_COMMAND,
        ),
        ProblemType(
            code="database_unavailable",
            title="Database unavailable",
            status=503,
            cause="The portal cannot use its database. The database is down, unreachable, locked by"
            " another process, or not migrated. Nothing was changed.",
            fix="Try again later. Operators of the portal can find the reason in its log."
            " `/readyz` returns 200 when the database is available again.",
            command="curl -i PORTAL_URL/readyz\nmanage.py migrate --check",
        ),
        ProblemType(
            code="internal_error",
            title="Internal error",
            status=500,
            cause="An error occurred in the portal or its database. The request did not cause it."
            " Nothing was changed.",
            fix="Send the request again. If it fails again, an administrator can find the reason in"
            " the portal's log, and check the database connection with this command:",
            command="curl -i PORTAL_URL/readyz",
        ),
        ProblemType(
            code="invalid_request",
            title="Invalid request",
            status=422,
            cause="The request is well-formed, but validation failed. Nothing was changed.",
            fix="Fix the errors in `errors`. Each `pointer` is a JSON Pointer into the body:"
            " `/policies/3/action` is the action of the fourth policy. Each `parameter` is a query"
            " parameter. The [API page](/api/docs) describes the valid values.",
            command=_OPENAPI_COMMAND,
        ),
        ProblemType(
            code="malformed_json",
            title="Malformed JSON",
            status=400,
            cause="The request body is empty or is not valid JSON (RFC 8259). It must be UTF-8"
            " without a byte order mark, and must not contain NaN, Infinity, unpaired surrogates or"
            " hundreds of nested levels. Nothing was changed.",
            fix="Check the body at the line and column in the problem's `detail`.",
            command="python3 -m json.tool policies.json",
        ),
        ProblemType(
            code="malformed_yaml",
            title="Malformed YAML",
            status=400,
            cause="The request body is not valid YAML, or not of the kind that the portal reads:"
            " one document in UTF-8 of text, `null`, `true`, `false`, lists and mappings. Tags,"
            " merge keys, members that occur twice, and aliases that expand to very many values are"
            " refused. Nothing was changed.",
            fix="Check the body at the line and column in the problem's `detail`.",
            command="manage.py policy plan policy.yaml",
        ),
        ProblemType(
            code="method_not_allowed",
            title="Method not allowed",
            status=405,
            cause="This URL does not support the method of the request. Nothing was changed.",
            fix="Use one of the methods in the `Allow` header. The [API page](/api/docs) describes"
            " the operations.",
            command=_OPENAPI_COMMAND,
        ),
        ProblemType(
            code="not_found",
            title="Not found",
            status=404,
            cause="There is no page or resource at this URL, or you must sign in to see it.",
            fix="Compare the URL with the [API page](/api/docs). URLs of the API do not end with a"
            " slash: `/findings`.",
            command=_OPENAPI_COMMAND,
        ),
        ProblemType(
            code="unsupported_media_type",
            title="Unsupported media type",
            status=415,
            cause="The `Content-Type` of the request is not JSON. Nothing was changed.",
            fix="Send the header `Content-Type: application/json`. For the policy,"
            " `application/yaml` is accepted, too.",
            command='curl -X PUT -H "Content-Type: application/json"'
            ' -H "Authorization: Bearer $TOKEN" -d @policies.json PORTAL_URL/findings',
        ),
    ]
