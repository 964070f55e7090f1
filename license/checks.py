"""System checks. An Error means that the portal is unsafe; a Warning, that it is unusable."""

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
from license.token import RevocationsError, read_revocations

MIDDLEWARE = "license.middleware.LicenseMiddleware"


@register(Tags.security)
def check_public_key(**kwargs: Any) -> list[CheckMessage]:
    """Return license.E001 if the public key file cannot be read or trusted."""
    try:
        validation.load_keyring()
    except KeyringError as error:
        return [
            Error(
                f"{settings.LICENSE_PUBLIC_KEY_PATH.name} cannot verify any license: {error}",
                hint="Restore the vendor's public-key.pem, or correct LICENSE_PUBLIC_KEY_PATH.",
                id="license.E001",
            )
        ]
    return []


@register(Tags.security)
def check_private_keys(**kwargs: Any) -> list[CheckMessage]:
    """Return license.E002 for each file in public/ that contains a private key."""
    public = settings.BASE_DIR / "public"
    return [
        Error(
            f"{path.relative_to(settings.BASE_DIR)} contains a private key.",
            hint="Delete the file and create a new key pair with `manage.py createsigningkey`:"
            " anyone who has this private key can issue licenses.",
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
    """Return license.W001 if AWS_ACCOUNT_ID is not 12 digits."""
    if re.fullmatch(r"[0-9]{12}", settings.AWS_ACCOUNT_ID):
        return []
    wrong = "is not 12 digits" if settings.AWS_ACCOUNT_ID else "is not set"
    return [
        checks.Warning(
            f"AWS_ACCOUNT_ID {wrong}, so no license can be in force and writes are disabled.",
            hint="Set it to the output of `aws sts get-caller-identity --query Account`"
            " (CloudFormation: AWS::AccountId).",
            id="license.W001",
        )
    ]


@register(Tags.security)
def check_revocations(**kwargs: Any) -> list[CheckMessage]:
    """Return license.E003 if the revocation list exists but cannot be read or trusted."""
    try:
        keyring = validation.load_keyring()
        if (text := revocations.published()) is not None:
            read_revocations(text, keyring)
    except KeyringError:
        return []  # license.E001 reports it
    except RevocationsError as error:
        return [
            Error(
                f"public/revocations.jwt: {error}",
                hint="Download the vendor's list again. Until then, only the last stored list is in"
                " force.",
                id="license.E003",
            )
        ]
    return []


@register(Tags.security)
def check_middleware(**kwargs: Any) -> list[CheckMessage]:
    """Return license.E004 if LicenseMiddleware is missing.

    Return license.E005 for each earlier middleware that can respond to a write.
    """
    if MIDDLEWARE not in settings.MIDDLEWARE:
        return [
            Error(
                f"{MIDDLEWARE} is missing from MIDDLEWARE: writes do not need a license.",
                hint=f'Add "{MIDDLEWARE}" after the SecurityMiddleware.',
                id="license.E004",
            )
        ]
    before = settings.MIDDLEWARE[: settings.MIDDLEWARE.index(MIDDLEWARE)]
    return [
        Error(
            f"{name} comes before {MIDDLEWARE} and can respond to a write first.",
            hint=f'Move "{MIDDLEWARE}" before "{name}" in MIDDLEWARE.',
            id="license.E005",
        )
        for name in before
        if hasattr(import_string(name), "process_view")
    ]


@register(Tags.urls)
def check_exempt_views(**kwargs: Any) -> Iterator[CheckMessage]:
    """Yield license.W002 for each exempt view name that no route has."""
    named = {route.view_name for route in routes.all_routes()}
    for name in [*settings.LICENSE_EXEMPT_VIEWS, *settings.LICENSE_EXEMPT_WHERE]:
        if name not in named:
            yield checks.Warning(
                f"A setting exempts {name} from the license, but no route has this name.",
                hint="Remove or correct the line. `manage.py checkgate` lists the names.",
                id="license.W002",
            )
