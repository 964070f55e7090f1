"""System checks of middleware, second factors, encryption keys and mail."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register

MIDDLEWARE = "accounts.middleware.WriteMiddleware"
MIN_KEY_LENGTH = 32  # characters of a key in ENCRYPTION_KEYS


@register(Tags.security)
def check_middleware(**kwargs: Any) -> list[CheckMessage]:
    """E001: WriteMiddleware must be last."""
    if settings.MIDDLEWARE[-1:] == [MIDDLEWARE]:
        return []
    return [
        Error(
            f"{MIDDLEWARE} is not the last of MIDDLEWARE: a write can be committed after the"
            " license has expired or the caller was deactivated.",
            hint=f'Put "{MIDDLEWARE}" at the end of MIDDLEWARE.',
            id="accounts.E001",
        )
    ]


@register(Tags.security, deploy=True)
def check_second_factor(**kwargs: Any) -> list[CheckMessage]:
    """W002: administrators should need a second factor."""
    if settings.REQUIRE_SECOND_FACTOR != "none":
        return []
    return [
        checks.Warning(
            "REQUIRE_SECOND_FACTOR is none: administrators can sign in with a password only.",
            hint="Set it to administrators or everyone.",
            id="accounts.W002",
        )
    ]


@register(Tags.security, deploy=True)
def check_encryption_keys(**kwargs: Any) -> list[CheckMessage]:
    """W003: the keys that encrypt second factors and sessions should be long."""
    if all(len(key) >= MIN_KEY_LENGTH for key in settings.ENCRYPTION_KEYS):
        return []
    return [
        checks.Warning(
            f"A key in ENCRYPTION_KEYS has fewer than {MIN_KEY_LENGTH} characters: the secrets of"
            " second factors are not safe.",
            hint="Put a long random key first, and run `manage.py rotateencryptionkey`.",
            id="accounts.W003",
        )
    ]


@register(Tags.security, deploy=True)
def check_mail(**kwargs: Any) -> list[CheckMessage]:
    """W001: EMAIL_URL should be set."""
    if settings.MAIL_IS_SET_UP:
        return []
    return [
        checks.Warning(
            "EMAIL_URL is not set: users cannot reset their passwords by email.",
            hint="Set it, for example to smtp+tls://user:password@host:587.",
            id="accounts.W001",
        )
    ]
