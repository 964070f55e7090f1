"""System checks: what makes the panel unsafe, or unable to do its work, is an Error."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register

from panel.signing import KMS_PREFIX, SigningError, other_public_keys, signing_key

MIDDLEWARE = "panel.middleware.SignInMiddleware"
MIN_KEY_LENGTH = 32


@register(Tags.security)
def check_signing_key(**kwargs: Any) -> list[CheckMessage]:
    try:
        signing_key()
    except SigningError as error:
        return [
            Error(
                f"No license can be signed: {error}",
                hint="Set LICENSE_SIGNING_KEY to a PEM file of mode 600, as the portal's"
                " `manage.py createsigningkey` makes one, or to kms:<key id or ARN>.",
                id="panel.E001",
            )
        ]
    return []


@register(Tags.security, deploy=True)  # it asks AWS
def check_kms_key(**kwargs: Any) -> list[CheckMessage]:
    if not settings.LICENSE_SIGNING_KEY.startswith(KMS_PREFIX):
        return []
    try:
        signing_key().public_key()
    except SigningError as error:
        return [
            Error(
                f"No license can be signed: {error}",
                hint="Look at the key's region, its policy (kms:Sign, kms:GetPublicKey) and its"
                " spec (RSA_2048, SIGN_VERIFY).",
                id="panel.E002",
            )
        ]
    return []


@register(Tags.security)
def check_other_public_keys(**kwargs: Any) -> list[CheckMessage]:
    try:
        other_public_keys()
    except SigningError as error:
        return [
            Error(
                f"The keys of a rotation cannot be published: {error}",
                hint="Correct the file that LICENSE_OTHER_PUBLIC_KEYS names, or unset it.",
                id="panel.E003",
            )
        ]
    return []


@register(Tags.security)
def check_stripe(**kwargs: Any) -> list[CheckMessage]:
    wanted = {
        "STRIPE_WEBHOOK_SECRET": settings.STRIPE_WEBHOOK_SECRET,
        "STRIPE_PRICE_1_MONTH": settings.STRIPE_PRICES[1],
        "STRIPE_PRICE_12_MONTHS": settings.STRIPE_PRICES[12],
    }
    missing = [name for name, value in wanted.items() if not value]
    if not settings.STRIPE_SECRET_KEY or not missing:
        return []
    return [
        Error(
            f"STRIPE_SECRET_KEY is set, and not {', '.join(missing)}: orders could not be paid.",
            hint="Set them too, or unset STRIPE_SECRET_KEY: then staff mark orders paid.",
            id="panel.E004",
        )
    ]


@register(Tags.security)
def check_second_factor(**kwargs: Any) -> list[CheckMessage]:
    """What staff sign in with beside the mailed code, and what keeps its secrets."""
    found: list[CheckMessage] = []
    if settings.MIDDLEWARE[-1:] != [MIDDLEWARE]:
        found.append(
            Error(
                f"{MIDDLEWARE} is not the last of MIDDLEWARE: staff could work with a mailed code"
                " alone.",
                hint=f'Put "{MIDDLEWARE}" at the end of MIDDLEWARE.',
                id="panel.E005",
            )
        )
    short = [key for key in settings.ENCRYPTION_KEYS if len(key) < MIN_KEY_LENGTH]
    if not settings.ENCRYPTION_KEYS or short:
        found.append(
            Error(
                "ENCRYPTION_KEYS is empty, or holds a key of fewer than"
                f" {MIN_KEY_LENGTH} characters: second factors cannot be kept safe.",
                hint="Set it to random keys, separated by commas, the newest first; or unset it,"
                " and SECRET_KEY is the key.",
                id="panel.E006",
            )
        )
    return found


@register(Tags.security, deploy=True)
def check_mail(**kwargs: Any) -> list[CheckMessage]:
    if settings.MAIL_IS_SET_UP:
        return []
    return [
        checks.Warning(
            "EMAIL_URL is not set: nobody can sign in, because no code can be sent.",
            hint="Set it like smtp+tls://user:password@host:587.",
            id="panel.W001",
        )
    ]
