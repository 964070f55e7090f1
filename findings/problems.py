"""The problem types of the findings app, for problems.catalog."""

from __future__ import annotations

from problems.catalog import ProblemType, register


@register
def problem_types() -> list[ProblemType]:
    """Returns the problem types of this app."""
    return [
        ProblemType(
            code="precondition_required",
            title="The version to replace is missing",
            status=428,
            cause="The body has `replace`, which removes every rule that it does not list, and the"
            " request does not say which version of the policy it replaces. Nothing was changed.",
            fix="Plan the change, review it, and send it with the ETag of the plan in `If-Match`."
            " `*` is no version.",
            command='curl -i -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/yaml"'
            " \\\n  --data-binary @policy.yaml PORTAL_URL/findings/plan",
        ),
        ProblemType(
            code="stale_policy",
            title="The policy has changed",
            status=412,
            cause="Another caller changed the policy after you read it, so its ETag no longer"
            " matches `If-Match`. Nothing was changed, and no changes are lost.",
            fix="Read the policy again, review what changed, and send your change with the new"
            " ETag.",
            command='curl -i -H "Authorization: Bearer $TOKEN" PORTAL_URL/findings',
        ),
    ]
