"""Every problem that the portal answers with: one row for each code, and the only place to ask.

A row says what the code means, for the answer itself and for its page under /problems. What any
room may answer is declared here; what belongs to one room is declared in that room and registered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProblemType:
    """What a code means. `cause` and `fix` are text with `code` and [links](/path) in it.

    PORTAL_URL in the command stands for the address of this portal.
    """

    code: str
    title: str
    status: int
    cause: str
    fix: str
    command: str


class UnknownProblem(LookupError):
    """No row has this code."""


Source = Callable[[], Iterable[ProblemType]]
_sources: list[Source] = []


def register(source: Source) -> Source:
    """Adds the rows that `source` returns. They are asked for anew each time."""
    _sources.append(source)
    return source


def every() -> list[ProblemType]:
    """All rows, those of every room."""
    return [row for source in _sources for row in source()]


def find(code: str) -> ProblemType:
    """The row of this code. Raises UnknownProblem."""
    for row in every():
        if row.code == code:
            return row
    msg = f"problems.catalog has no row for {code!r}. Declare it there or in its own room."
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
            cause="The request cannot be understood: its body is broken off or not in the form it"
            " declares, it has too many fields, or its `Host` is not a name of this portal."
            " Nothing was changed.",
            fix="Send it again. If the portal is reached by a further name, add that name to the"
            " environment variable `ALLOWED_HOSTS` and start it again.",
            command="curl -i PORTAL_URL/healthz",
        ),
        ProblemType(
            code="body_too_large",
            title="Body too large",
            status=413,
            cause="The body of the request is over 1 MiB. Nothing was set. The whole catalogue at"
            " every severity is a tenth of that.",
            fix="Send the policies in several requests, or without white space.",
            command="python3 -c 'import json, sys; json.dump(json.load(sys.stdin), sys.stdout,"
            ' separators=(",", ":"))\' < policies.json',
        ),
        ProblemType(
            code="csrf_failed",
            title="CSRF check failed",
            status=403,
            cause="A change by session must prove that a page of this portal sent it. The proof is"
            " missing or old: the page was open while somebody signed in or out, or the browser"
            " keeps no cookies.",
            fix="Reload the page and send the change again. A program is better off with an access"
            " token, which needs no such proof.",
            command=CREDENTIALS_COMMAND,
        ),
        ProblemType(
            code="database_unavailable",
            title="Database unavailable",
            status=503,
            cause="The portal runs, but cannot use its database: it is down, cannot be reached, is"
            " locked by another process, or has not been migrated. Nothing was changed.",
            fix="Try again in a moment. Whoever runs the portal finds the reason in its log."
            " `/readyz` answers 200 when the database is back.",
            command="curl -i PORTAL_URL/readyz\nmanage.py migrate --check",
        ),
        ProblemType(
            code="internal_error",
            title="Internal error",
            status=500,
            cause="The portal failed to answer. That is a bug or a fault of its database, never of"
            " the request. Nothing was changed.",
            fix="Send the request again. If it fails again, an administrator finds the reason in"
            " the portal's log, and whether it reaches its database here:",
            command="curl -i PORTAL_URL/readyz",
        ),
        ProblemType(
            code="invalid_request",
            title="Invalid request",
            status=422,
            cause="The request can be read, but something in it breaks a rule. Nothing of it was"
            " set.",
            fix="Mend what `errors` lists. Each `pointer` is a JSON Pointer into the body:"
            " `/policies/3/action` is the action of the fourth policy. Each `parameter` is a"
            " parameter of the query. [The API page](/api/docs) has the rules.",
            command=_OPENAPI_COMMAND,
        ),
        ProblemType(
            code="malformed_json",
            title="Malformed JSON",
            status=400,
            cause="The body of the request is empty or is not JSON as RFC 8259 has it: UTF-8"
            " without a byte order mark, no NaN or Infinity, no half of a surrogate pair, and"
            " nothing nested hundreds deep. Nothing was changed.",
            fix="Check the body where the problem's `detail` points: it gives the line and the"
            " column.",
            command="python3 -m json.tool policies.json",
        ),
        ProblemType(
            code="method_not_allowed",
            title="Method not allowed",
            status=405,
            cause="This address does not answer the method of the request. Nothing was changed.",
            fix="Use one of the methods that the header `Allow` lists. [The API page](/api/docs)"
            " says what each does.",
            command=_OPENAPI_COMMAND,
        ),
        ProblemType(
            code="not_found",
            title="Not found",
            status=404,
            cause="There is nothing at this address; or only for people who are signed in.",
            fix="Compare the address with the [API page](/api/docs). Addresses end without a slash:"
            " `/findings`.",
            command=_OPENAPI_COMMAND,
        ),
        ProblemType(
            code="unsupported_media_type",
            title="Unsupported media type",
            status=415,
            cause="The request does not say that its body is JSON. Nothing was set.",
            fix="Send the header `Content-Type: application/json`.",
            command='curl -X PUT -H "Content-Type: application/json"'
            ' -H "Authorization: Bearer $TOKEN" -d @policies.json PORTAL_URL/findings',
        ),
    ]
