"""System checks. What makes the portal unsafe is an Error; what makes it useless is a Warning."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.utils.module_loading import import_string

from license import revocations, routes, validation
from license.keyring import KeyringError
from license.token import RevocationsError

MIDDLEWARE = "license.middleware.LicenseMiddleware"


@register(Tags.security)
def check_public_key(**kwargs: Any) -> list[CheckMessage]:
    """license.E001 if the file of public keys cannot be read or trusted."""
    try:
        validation.load_keyring()
    except KeyringError as error:
        return [
            Error(
                f"No license can be verified with {settings.LICENSE_PUBLIC_KEY_PATH.name}: {error}",
                hint="Restore the vendor's public-key.pem, or point LICENSE_PUBLIC_KEY_PATH to it.",
                id="license.E001",
            )
        ]
    return []


@register(Tags.security)
def check_private_keys(**kwargs: Any) -> list[CheckMessage]:
    """license.E002 for each file in public/ that holds a private key."""
    public = settings.BASE_DIR / "public"
    return [
        Error(
            f"{path.relative_to(settings.BASE_DIR)} holds a private key.",
            hint="Delete the file and make a new pair with `manage.py createsigningkey`: whoever"
            " has seen this one can issue licenses.",
            id="license.E002",
        )
        for path in sorted(public.rglob("*"))
        if path.is_file() and _holds_private_key(path)
    ]


def _holds_private_key(path: Path) -> bool:
    try:
        return b"PRIVATE KEY-----" in path.read_bytes()
    except OSError:
        return False


@register(Tags.security)
def check_account_id(**kwargs: Any) -> list[CheckMessage]:
    """license.W001 if AWS_ACCOUNT_ID is not 12 digits."""
    if re.fullmatch(r"[0-9]{12}", settings.AWS_ACCOUNT_ID):
        return []
    wrong = "is not 12 digits" if settings.AWS_ACCOUNT_ID else "is not set"
    return [
        checks.Warning(
            f"AWS_ACCOUNT_ID {wrong}, so that no license can be in force and writes are off.",
            hint="Set it to what `aws sts get-caller-identity --query Account` prints"
            " (CloudFormation: AWS::AccountId).",
            id="license.W001",
        )
    ]


@register(Tags.security)
def check_revocations(**kwargs: Any) -> list[CheckMessage]:
    """license.E003 if there is a revocation list that cannot be read or trusted."""
    try:
        revocations.published(validation.load_keyring())
    except KeyringError:
        return []  # license.E001 says so
    except RevocationsError as error:
        return [
            Error(
                f"public/revocations.jwt: {error}",
                hint="Fetch the vendor's list again. Until then only the lists that were read"
                " before are in force.",
                id="license.E003",
            )
        ]
    return []


@register(Tags.security)
def check_middleware(**kwargs: Any) -> list[CheckMessage]:
    """license.E004 if the license middleware is missing, license.E005 if another one can answer a
    write before it."""
    if MIDDLEWARE not in settings.MIDDLEWARE:
        return [
            Error(
                f"{MIDDLEWARE} is missing from MIDDLEWARE: writes pass without a license.",
                hint=f'Put "{MIDDLEWARE}" behind the SecurityMiddleware.',
                id="license.E004",
            )
        ]
    before = settings.MIDDLEWARE[: settings.MIDDLEWARE.index(MIDDLEWARE)]
    return [
        Error(
            f"{name} stands before {MIDDLEWARE} and can answer a write first.",
            hint=f'Move "{MIDDLEWARE}" before "{name}" in MIDDLEWARE.',
            id="license.E005",
        )
        for name in before
        if hasattr(import_string(name), "process_view")
    ]


@register(Tags.urls)
def check_exempt_views(**kwargs: Any) -> Iterator[CheckMessage]:
    """license.W002 for each exempt view that no route has."""
    named = {route.view_name for route in routes.all_routes()}
    for name in [*settings.LICENSE_EXEMPT_VIEWS, *settings.LICENSE_EXEMPT_WHERE]:
        if name not in named:
            yield checks.Warning(
                f"{name} is exempt from the license by a setting, and no route has that name.",
                hint="Remove the line, or correct it: `manage.py checkgate` lists the names.",
                id="license.W002",
            )
