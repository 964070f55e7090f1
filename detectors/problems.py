"""The problem types of the detectors app, for problems.catalog."""

from __future__ import annotations

from problems.catalog import ProblemType, register


@register
def problem_types() -> list[ProblemType]:
    """Returns the problem types of this app."""
    return [
        ProblemType(
            code="stale_buckets",
            title="The buckets have changed",
            status=412,
            cause="Another caller changed the registered buckets after you read them, so their ETag"
            " no longer matches `If-Match`. Nothing was changed, and no changes are lost.",
            fix="Read the buckets again, review what changed, and send your change with the new"
            " ETag.",
            command='curl -i -H "Authorization: Bearer $TOKEN" PORTAL_URL/buckets',
        ),
    ]
