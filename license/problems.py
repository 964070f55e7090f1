"""The problems of this room, for problems.catalog: each reason to refuse a key is one."""

from __future__ import annotations

from license import token
from problems.catalog import ProblemType, register


@register
def problem_types() -> list[ProblemType]:
    return [
        ProblemType(
            code=reason.code,
            title=reason.title,
            status=403,
            cause=reason.cause,
            fix=reason.fix,
            command=reason.command,
        )
        for reason in token.REASONS.values()
    ]
