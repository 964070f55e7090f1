"""The problem types of the notifications app, for problems.catalog."""

from __future__ import annotations

from problems.catalog import ProblemType, register


@register
def problem_types() -> list[ProblemType]:
    """Returns the problem types of this app."""
    return [
        ProblemType(
            code="stale_notifications",
            title="The notification settings have changed",
            status=412,
            cause="Another caller changed the rules or destinations after you read them, so their"
            " ETag no longer matches `If-Match`. Nothing was changed, and no changes are lost.",
            fix="Read the rules and destinations again, review what changed, and send your change"
            " with the new ETag.",
            command='curl -i -H "Authorization: Bearer $TOKEN" PORTAL_URL/notifications',
        ),
    ]
