"""System checks. An Error means that the panel is insecure or cannot issue licenses."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register

from panel import selling
from panel.signing import KMS_PREFIX, SigningError, other_public_keys, signing_key

MIDDLEWARE = "panel.middleware.SignInMiddleware"
MIN_KEY_LENGTH = 32


@register(Tags.security)
def check_signing_key(**kwargs: Any) -> list[CheckMessage]:
    """E001: LICENSE_SIGNING_KEY must name a usable key."""
    try:
        signing_key()
    except SigningError as error:
        return [
            Error(
                f"No license can be signed: {error}",
                hint="Set LICENSE_SIGNING_KEY to a PEM file of mode 600, for example one"
                " made by the portal's `manage.py createsigningkey`, or to kms:<key id or ARN>.",
                id="panel.E001",
            )
        ]
    return []


@register(Tags.security, deploy=True)  # calls AWS
def check_kms_key(**kwargs: Any) -> list[CheckMessage]:
    """E002: AWS KMS must return the public key of the signing key."""
    if not settings.LICENSE_SIGNING_KEY.startswith(KMS_PREFIX):
        return []
    try:
        signing_key().public_key()
    except SigningError as error:
        return [
            Error(
                f"No license can be signed: {error}",
                hint="Check the key's region, policy (kms:Sign, kms:GetPublicKey) and spec"
                " (RSA_2048, SIGN_VERIFY).",
                id="panel.E002",
            )
        ]
    return []


@register(Tags.security)
def check_other_public_keys(**kwargs: Any) -> list[CheckMessage]:
    """E003: LICENSE_OTHER_PUBLIC_KEYS must name a readable bundle of public keys, if it is set."""
    try:
        other_public_keys()
    except SigningError as error:
        return [
            Error(
                f"The other public keys cannot be published: {error}",
                hint="Correct the file that LICENSE_OTHER_PUBLIC_KEYS names, or unset it.",
                id="panel.E003",
            )
        ]
    return []


@register(Tags.security)
def check_stripe(**kwargs: Any) -> list[CheckMessage]:
    """E004: STRIPE_SECRET_KEY requires STRIPE_WEBHOOK_SECRET."""
    if not settings.STRIPE_SECRET_KEY or settings.STRIPE_WEBHOOK_SECRET:
        return []
    return [
        Error(
            "STRIPE_SECRET_KEY is set without STRIPE_WEBHOOK_SECRET: payments are not noticed.",
            hint="Set it too, or unset STRIPE_SECRET_KEY so that customers transfer money.",
            id="panel.E004",
        )
    ]


HINTS = {
    "PRICE_1_MONTH": "the net price of 1 month, like 99.00",
    "PRICE_12_MONTHS": "the net price of 12 months, like 990.00",
    "TAX_RATE": "a percentage, like 19; 0 if you charge no tax",
    "SELLER_ADDRESS": "your name and address for invoices, lines separated by semicolons",
    "SELLER_COUNTRY": "your ISO 3166 country code, like DE; it decides who pays tax",
    "BANK_DETAILS": "where customers transfer money, lines separated by semicolons; or set"
    " STRIPE_SECRET_KEY",
}


@register(Tags.security)
def check_selling(**kwargs: Any) -> list[CheckMessage]:
    """E007: prices, tax, currency and country must be well-formed, if they are set."""
    return [
        Error(
            f"{name} {wrong}; it is {_value_of(name)!r}. Paid licenses cannot be ordered.",
            hint=f"Correct {name}, or unset it.",
            id="panel.E007",
        )
        for name, wrong in selling.malformed().items()
    ]


@register(Tags.security, deploy=True)
def check_selling_is_set_up(**kwargs: Any) -> list[CheckMessage]:
    """W002: prices, tax, seller and bank details, or Stripe, must be set."""
    return [
        checks.Warning(
            f"{name} is not set: Paid licenses cannot be ordered.",
            hint=f"Set it to {HINTS[name]}.",
            id="panel.W002",
        )
        for name in selling.missing()
    ]


def _value_of(name: str) -> str:
    prices = {"PRICE_1_MONTH": settings.PRICES[1], "PRICE_12_MONTHS": settings.PRICES[12]}
    return str(prices[name] if name in prices else getattr(settings, name))


@register(Tags.security)
def check_second_factor(**kwargs: Any) -> list[CheckMessage]:
    """E005 and E006: staff must need a second factor, and its secrets must be encrypted."""
    found: list[CheckMessage] = []
    if settings.MIDDLEWARE[-1:] != [MIDDLEWARE]:
        found.append(
            Error(
                f"{MIDDLEWARE} is not the last of MIDDLEWARE: staff could work without a second"
                " factor.",
                hint=f'Put "{MIDDLEWARE}" at the end of MIDDLEWARE.',
                id="panel.E005",
            )
        )
    short = [key for key in settings.ENCRYPTION_KEYS if len(key) < MIN_KEY_LENGTH]
    if not settings.ENCRYPTION_KEYS or short:
        found.append(
            Error(
                "ENCRYPTION_KEYS is empty, or holds a key of fewer than"
                f" {MIN_KEY_LENGTH} characters: the secrets of second factors are not safe.",
                hint="Set it to random keys, separated by commas, the newest first. Or unset"
                " it to use SECRET_KEY.",
                id="panel.E006",
            )
        )
    return found


@register(Tags.security, deploy=True)
def check_mail(**kwargs: Any) -> list[CheckMessage]:
    """W001: EMAIL_URL must be set."""
    if settings.MAIL_IS_SET_UP:
        return []
    return [
        checks.Warning(
            "EMAIL_URL is not set: nobody can sign in, because sign-in codes cannot be sent.",
            hint="Set it, for example to smtp+tls://user:password@host:587.",
            id="panel.W001",
        )
    ]


@register(Tags.security, deploy=True)
def check_sts(**kwargs: Any) -> list[CheckMessage]:
    """W003: the panel must ask AWS over https which account signed a proof."""
    if not settings.STS_ENDPOINT_URL or settings.STS_ENDPOINT_URL.startswith("https:"):
        return []
    return [
        checks.Warning(
            "STS_ENDPOINT_URL is not https: whoever controls the network can answer for AWS, and"
            " start the trial of any account.",
            hint="Use https, or set it to an empty value so that staff approve accounts.",
            id="panel.W003",
        )
    ]
