"""Signal receivers that write the security log and end sessions."""

from __future__ import annotations

from typing import Any

from allauth.core import context
from allauth.idp.oidc.models import Client, Token
from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group, User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save
from django.dispatch import receiver
from django.http import HttpRequest

from accounts import sessions
from accounts.adapters import find_user
from accounts.models import EventKind
from accounts.second_factor import FACTORS
from accounts.security_log import record, signed_in_as
from license.signals import write_refused
from serving.logs import masked


@receiver(user_logged_in)
def signed_in(request: HttpRequest | None, user: User, **kwargs: Any) -> None:
    """Records a sign-in with the authentication methods that allauth stored in the session, and
    starts the limits of the session."""
    session: Any = getattr(request, "session", {})
    sessions.begin(session)
    methods = [
        record.get("type") or record.get("provider") or record["method"]
        for record in session.get("account_authentication_methods", [])
    ]
    record(EventKind.SIGNED_IN, request=request, user=user, method=", ".join(methods))


@receiver(user_logged_out)
def signed_out(request: HttpRequest | None, user: User | None, **kwargs: Any) -> None:
    """Records a sign-out."""
    if user:
        record(EventKind.SIGNED_OUT, request=request, user=user)


@receiver(user_login_failed)
def sign_in_failed(
    credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
) -> None:
    """Records a failed sign-in. Names existing users only: people mix up the input fields."""
    user = find_user(str(credentials.get("username") or credentials.get("email") or ""))
    record(EventKind.SIGN_IN_FAILED, request=request, user=user, method="password")


@receiver(mfa.authenticator_used)
def second_factor_used(user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    """Records the use of a second factor."""
    record(EventKind.SECOND_FACTOR_USED, user=user, method=authenticator.type)


@receiver(mfa.authentication_failed)
def second_factor_failed(user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    """Records a wrong code of a second factor."""
    record(EventKind.SECOND_FACTOR_FAILED, user=user, method=authenticator.type)


@receiver(post_save, sender=Authenticator)
def second_factor_added(instance: Authenticator, created: bool, **kwargs: Any) -> None:
    """Records a new second factor. The first one ends the user's other sessions."""
    if not created:
        return
    user = instance.user
    if instance.type == Authenticator.Type.RECOVERY_CODES:
        record(EventKind.RECOVERY_CODES_MADE, user=user)
        return
    record(EventKind.SECOND_FACTOR_ADDED, user=user, method=instance.type)
    if Authenticator.objects.filter(user=user, type__in=FACTORS).count() == 1:
        # The other sessions started with the password only.
        sessions.end(user, "second factor added", keep=_own_session(user))


@receiver(post_delete, sender=Authenticator)
def second_factor_removed(instance: Authenticator, **kwargs: Any) -> None:
    """Records the removal of a second factor, by its user or an administrator."""
    record(EventKind.SECOND_FACTOR_REMOVED, user=instance.user, method=instance.type)


@receiver(pre_save, sender=User)
def remember_powers(instance: User, **kwargs: Any) -> None:
    """Keeps the stored user for comparison after the save."""
    instance._before = User.objects.filter(pk=instance.pk).first()  # type: ignore[attr-defined]


@receiver(post_save, sender=User)
def powers_changed(
    instance: User, created: bool, update_fields: frozenset[str] | None = None, **kwargs: Any
) -> None:
    """Records changes of a user. Deactivation ends the user's sessions and tokens."""
    if update_fields is not None and not update_fields & {"is_active", "is_superuser", "email"}:
        return  # the others of the instance may be out of date
    before: User | None = instance._before  # type: ignore[attr-defined]
    changed = ["created"] if before is None else []
    if instance.is_active != (before is None or before.is_active):
        changed.append("activated" if instance.is_active else "deactivated")
    if instance.is_superuser != (before is not None and before.is_superuser):
        changed.append("made superuser" if instance.is_superuser else "no longer superuser")
    if before and before.email != instance.email:
        changed.append("email address changed")  # it receives password resets
    if changed:
        record(EventKind.ROLES_CHANGED, user=instance, detail=", ".join(changed))
    if before and before.is_active and not instance.is_active:
        sessions.end(instance, "deactivated")
        Token.objects.filter(user=instance).delete()


@receiver(post_save, sender=User)
def password_changed(instance: User, created: bool, **kwargs: Any) -> None:
    """Records a new password and ends the user's other sessions.

    An upgraded hash of the same password does not count.
    """
    before: User | None = instance._before  # type: ignore[attr-defined]
    if before is None:
        return
    # Django sets this attribute when a password is set, and removes it after the save.
    is_set = getattr(instance, "_password", None) is not None
    is_taken = before.has_usable_password() and not instance.has_usable_password()
    if is_set or is_taken:
        record(EventKind.PASSWORD_CHANGED, user=instance)
        sessions.end(instance, "password changed", keep=_own_session(instance))


def _own_session(user: User) -> str | None:
    request = context.request
    return request.session.session_key if signed_in_as(request) == user else None


@receiver(m2m_changed, sender=User.groups.through)
def groups_changed(
    instance: User | Group, action: str, reverse: bool, pk_set: set[int] | None, **kwargs: Any
) -> None:
    """Records users who were added to or removed from groups."""
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


@receiver(pre_save, sender=Client)
def remember_client(instance: Client, **kwargs: Any) -> None:
    """Keeps the stored client for comparison after the save."""
    instance._before = Client.objects.filter(pk=instance.pk).first()


@receiver(post_save, sender=Client)
def client_saved(instance: Client, created: bool, **kwargs: Any) -> None:
    """Records a new API client, or the names of the fields that were changed."""
    if created:
        record(EventKind.CLIENT_CREATED, client_id=instance.pk, detail=instance.name)
        return
    names = ("name", "secret", "scopes", "grant_types")
    changed = [name for name in names if getattr(instance._before, name) != getattr(instance, name)]
    if changed:
        record(EventKind.CLIENT_CHANGED, client_id=instance.pk, detail=", ".join(changed))


@receiver(post_delete, sender=Client)
def client_deleted(instance: Client, **kwargs: Any) -> None:
    """Records the deletion of an API client."""
    record(EventKind.CLIENT_DELETED, client_id=instance.pk, detail=instance.name)


@receiver(write_refused)
def refused_by_license(request: HttpRequest, code: str, **kwargs: Any) -> None:
    """Records a write that the license gate refused."""
    detail = f"{code}: {request.method} {masked(request.path)}"
    record(EventKind.WRITE_REFUSED, request=request, user=signed_in_as(request), detail=detail)
