"""The problems of this room, for problems.catalog."""

from __future__ import annotations

from problems.catalog import ProblemType, register


@register
def problem_types() -> list[ProblemType]:
    return [
        ProblemType(
            code="stale_policy",
            title="The policy has changed",
            status=412,
            cause="The change was made for a policy that somebody else has changed since: its ETag"
            " is no longer the one in `If-Match`. Nothing was set, so nobody's change is lost.",
            fix="Read the policy again, see what has changed, and send the change with the new"
            " ETag.",
            command='curl -i -H "Authorization: Bearer $TOKEN" PORTAL_URL/findings',
        ),
    ]
