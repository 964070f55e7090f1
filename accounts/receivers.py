"""What the security log hears of: signals of Django, of allauth and of the license gate."""

from __future__ import annotations

from typing import Any

from allauth.account import signals as account
from allauth.idp.oidc.models import Client
from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group, User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save
from django.dispatch import receiver
from django.http import HttpRequest

from accounts.models import EventKind
from accounts.security_log import record, signed_in_as
from license.signals import write_refused


@receiver(user_logged_in)
def signed_in(request: HttpRequest | None, user: User, **kwargs: Any) -> None:
    """allauth notes in the session by what the person has proven who they are."""
    session = getattr(request, "session", {})
    methods = [
        record.get("type") or record.get("provider") or record["method"]
        for record in session.get("account_authentication_methods", [])
    ]
    record(EventKind.SIGNED_IN, request=request, user=user, method=", ".join(methods))


@receiver(user_logged_out)
def signed_out(request: HttpRequest | None, user: User | None, **kwargs: Any) -> None:
    if user:
        record(EventKind.SIGNED_OUT, request=request, user=user)


@receiver(user_login_failed)
def sign_in_failed(
    credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
) -> None:
    """Names an account that exists, or nobody: people type passwords into the wrong field."""
    login = credentials.get("username") or credentials.get("email") or ""
    user = User.objects.filter(username=login).first()
    user = user or User.objects.filter(email__iexact=login).exclude(email="").first()
    record(EventKind.SIGN_IN_FAILED, request=request, user=user, method="password")


@receiver([account.password_changed, account.password_set, account.password_reset])
def password_changed(request: HttpRequest, user: User, **kwargs: Any) -> None:
    record(EventKind.PASSWORD_CHANGED, request=request, user=user)


@receiver(mfa.authenticator_added)
def second_factor_added(user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    record(EventKind.SECOND_FACTOR_ADDED, user=user, method=authenticator.type)


@receiver(post_delete, sender=Authenticator)
def second_factor_removed(instance: Authenticator, **kwargs: Any) -> None:
    """By its owner, or by an administrator."""
    record(EventKind.SECOND_FACTOR_REMOVED, user=instance.user, method=instance.type)


@receiver(pre_save, sender=User)
def remember_powers(instance: User, **kwargs: Any) -> None:
    before = User.objects.filter(pk=instance.pk).values("is_active", "is_superuser").first()
    instance._powers_before = before or {}  # type: ignore[attr-defined]


@receiver(post_save, sender=User)
def powers_changed(instance: User, created: bool, **kwargs: Any) -> None:
    before = instance._powers_before  # type: ignore[attr-defined]
    changed = [
        f"{name}: {getattr(instance, name)}"
        for name in ("is_active", "is_superuser")
        if before.get(name) != getattr(instance, name)
    ]
    if changed:
        detail = ("created, " if created else "") + ", ".join(changed)
        record(EventKind.ROLES_CHANGED, user=instance, detail=detail)


@receiver(m2m_changed, sender=User.groups.through)
def groups_changed(
    instance: User | Group, action: str, reverse: bool, pk_set: set[int] | None, **kwargs: Any
) -> None:
    verb = {"post_add": "added to", "post_remove": "removed from", "pre_clear": "removed from"}
    if action not in verb:
        return
    if isinstance(instance, Group):
        users = User.objects.filter(pk__in=pk_set) if pk_set else instance.user_set.all()
        changes = [(user, [instance.name]) for user in users]
    else:
        groups = Group.objects.filter(pk__in=pk_set) if pk_set else instance.groups.all()
        changes = [(instance, sorted(group.name for group in groups))]
    for user, names in changes:
        if names:
            detail = f"{verb[action]} {', '.join(names)}"
            record(EventKind.ROLES_CHANGED, user=user, detail=detail)


@receiver(post_save, sender=Client)
def client_saved(instance: Client, created: bool, **kwargs: Any) -> None:
    if created:
        record(EventKind.CLIENT_CREATED, client_id=instance.pk, detail=instance.name)


@receiver(post_delete, sender=Client)
def client_deleted(instance: Client, **kwargs: Any) -> None:
    record(EventKind.CLIENT_DELETED, client_id=instance.pk, detail=instance.name)


@receiver(write_refused)
def refused_by_license(request: HttpRequest, code: str, **kwargs: Any) -> None:
    detail = f"{code}: {request.method} {request.path}"
    record(EventKind.WRITE_REFUSED, request=request, user=signed_in_as(request), detail=detail)
