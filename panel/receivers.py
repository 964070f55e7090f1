"""Signal receivers for sign-in, sign-out and second factors. They write the security log."""

from __future__ import annotations

from typing import Any

from allauth.account import signals as account
from allauth.core import context
from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.http import HttpRequest

from panel import middleware, second_factor
from panel.security_log import record


@receiver(user_logged_in)
def signed_in(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Starts the session limits, and records the authentication methods that allauth stored."""
    middleware.begin(request)
    records = request.session.get("account_authentication_methods", [])
    methods = [one.get("type") or one["method"] for one in records]
    record("signed_in", request=request, user=user, method=", ".join(methods))


@receiver(user_logged_out)
def signed_out(request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    """Records the end of a signed-in session."""
    if user:
        record("signed_out", request=request, user=user)


@receiver([account.login_code_rejected, account.email_verification_code_rejected])
def code_rejected(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Records a wrong emailed code."""
    record("sign_in_failed", request=request, user=user, method="code")


@receiver(mfa.authentication_failed)
def second_factor_failed(
    request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any
) -> None:
    """Records a wrong code of a second factor."""
    record("second_factor_failed", request=request, user=user, method=authenticator.type)


@receiver(mfa.authenticator_used)
def second_factor_shown(
    request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any
) -> None:
    """Records the use of a second factor."""
    record("second_factor_shown", request=request, user=user, method=authenticator.type)


@receiver(post_save, sender=Authenticator)
def second_factor_added(instance: Authenticator, created: bool, **kwargs: Any) -> None:
    """Records a new second factor. It counts as used in the session that added it."""
    if not created:
        return
    request = context.request
    is_own = request is not None and request.user == instance.user
    if is_own and instance.type in second_factor.FACTORS:
        second_factor.note_new(request, instance)
    record("second_factor_added", user=instance.user, method=instance.type)


@receiver(post_delete, sender=Authenticator)
def second_factor_removed(instance: Authenticator, **kwargs: Any) -> None:
    """Records the removal of a second factor."""
    record("second_factor_removed", user=instance.user, method=instance.type)
