"""System checks: what would let a write through that nobody has checked."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

MIDDLEWARE = "accounts.middleware.WriteMiddleware"


@register(Tags.security)
def check_middleware(**kwargs: Any) -> list[CheckMessage]:
    if settings.MIDDLEWARE[-1:] == [MIDDLEWARE]:
        return []
    return [
        Error(
            f"{MIDDLEWARE} is not the last of MIDDLEWARE: a write can be committed after the"
            " license has ended or its caller was deactivated.",
            hint=f'Put "{MIDDLEWARE}" at the end of MIDDLEWARE.',
            id="accounts.E001",
        )
    ]
