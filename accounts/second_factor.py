"""Which users need a second factor, and whether they have enrolled one."""

from __future__ import annotations

from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest

FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]  # recovery codes do not count
# Permissions that allow users to extend their own or other users' permissions.
ADMINISTRATORS_MAY = (
    "auth.add_user",
    "auth.change_user",
    "allauth_idp_oidc.add_client",
    "allauth_idp_oidc.change_client",
    "license.add_license",
)


def is_demanded_of(user: User) -> bool:
    """Whether settings.REQUIRE_SECOND_FACTOR applies to the user."""
    demanded_of = settings.REQUIRE_SECOND_FACTOR
    if demanded_of == "administrators":
        return any(user.has_perm(name) for name in ADMINISTRATORS_MAY)
    return bool(demanded_of == "everyone")


def is_missing(request: HttpRequest) -> bool:
    """Whether the user must enroll a second factor before anything else.

    Sessions from single sign-on are exempt: the identity provider is responsible for them.
    """
    user = request.user
    if not isinstance(user, User) or not is_demanded_of(user):
        return False
    return not is_from_single_sign_on(request) and not has_factor(user)


def is_from_single_sign_on(request: HttpRequest) -> bool:
    """Whether the session began with single sign-on."""
    proofs = get_authentication_records(request, request.user)
    return any(proof.get("method") == "socialaccount" for proof in proofs)


def has_factor(user: User) -> bool:
    """Whether the user has a TOTP app or a WebAuthn key."""
    return bool(is_mfa_enabled(user, FACTORS))
