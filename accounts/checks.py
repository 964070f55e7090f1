"""System checks: what would let a write through unchecked, and what people would miss."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks
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


@register(Tags.security, deploy=True)
def check_second_factor(**kwargs: Any) -> list[CheckMessage]:
    if settings.REQUIRE_SECOND_FACTOR != "none":
        return []
    return [
        checks.Warning(
            "REQUIRE_SECOND_FACTOR is none: a password alone signs an administrator in.",
            hint="Set it to administrators or everyone.",
            id="accounts.W002",
        )
    ]


@register(Tags.security, deploy=True)
def check_mail(**kwargs: Any) -> list[CheckMessage]:
    if settings.MAIL_IS_SET_UP:
        return []
    return [
        checks.Warning(
            "EMAIL_URL is not set: nobody can reset a password by mail.",
            hint="Set it like smtp+tls://user:password@host:587.",
            id="accounts.W001",
        )
    ]
