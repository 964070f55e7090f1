"""Whether and when a second factor was used in a session."""

from __future__ import annotations

import time

from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication  # internal: no public name
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest

FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]


def is_set_up(user: User) -> bool:
    """Whether the user has a TOTP app or a WebAuthn key. Recovery codes alone do not count."""
    return bool(is_mfa_enabled(user, FACTORS))


def was_shown(request: HttpRequest) -> bool:
    """Whether a second factor was used in this session."""
    return bool(_shown_at(request))


def was_shown_lately(request: HttpRequest) -> bool:
    """Whether a second factor was used within ACCOUNT_REAUTHENTICATION_TIMEOUT."""
    return time.time() - _shown_at(request) < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT


def note_new(request: HttpRequest, authenticator: Authenticator) -> None:
    """Records that the session has used the factor: setting one up counts as using it."""
    record_authentication(
        request,
        authenticator.user,
        "mfa",
        id=authenticator.pk,
        type=authenticator.type,
        reauthenticated=True,
    )


def _shown_at(request: HttpRequest) -> float:
    """When a second factor was last used, in seconds since 1970; 0 for never."""
    records = get_authentication_records(request, request.user)
    return max((record["at"] for record in records if record["method"] == "mfa"), default=0)
