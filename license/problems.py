"""Registers the problem types of this app: one for each reason to reject a license key."""

from __future__ import annotations

from license import reasons
from problems.catalog import ProblemType, register


@register
def problem_types() -> list[ProblemType]:
    """Return a problem type for each subclass of LicenseError."""
    return [
        ProblemType(
            code=reason.code,
            title=reason.title,
            status=403,
            cause=reason.cause,
            fix=reason.fix,
            command=reason.command,
        )
        for reason in reasons.REASONS.values()
    ]
