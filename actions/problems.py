"""The problem types of this app, for problems.catalog."""

from __future__ import annotations

from problems.catalog import ProblemType, register


@register
def problem_types() -> list[ProblemType]:
    """Returns the problem types of /actions."""
    command = 'curl -H "Authorization: Bearer $TOKEN" PORTAL_URL/actions'
    return [
        ProblemType(
            code="nothing_in_force",
            title="Nothing to undo",
            status=409,
            cause="The target has no action in force of the kind that the request undoes, or it is"
            " being undone already. An action of a dry run is never in force. Nothing was changed.",
            fix="Look for the target [on the Actions page](/actions?now=blocked).",
            command=command,
        ),
        ProblemType(
            code="not_waiting",
            title="Not waiting for an approval",
            status=409,
            cause="The action does not wait for an approval: somebody has already decided it, or it"
            " has expired after a day. Nothing was changed.",
            fix="See what became of it [on the Actions page](/actions), and what"
            " [still waits](/actions?state=waiting).",
            command=f"{command}?state=waiting",
        ),
        ProblemType(
            code="idempotency_key_reused",
            title="Idempotency key reused",
            status=422,
            cause="An earlier request with the same `Idempotency-Key` had another body. Nothing was"
            " changed.",
            fix="Send a new key with each new request. Repeat a key only to repeat a request.",
            command=command,
        ),
    ]
