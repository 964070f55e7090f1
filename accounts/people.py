"""Users for the People page: their state, invitations, roles and deactivation."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from allauth.account.adapter import get_adapter
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q, QuerySet
from django.http import HttpRequest

from accounts import roles
from accounts.models import EventKind
from accounts.second_factor import FACTORS
from accounts.security_log import record
from storage.locks import advisory_lock

logger = logging.getLogger(__name__)

ADMINISTRATORS = "administrators"
# Has never signed in, has no password yet, and no single sign-on.
INVITED = Q(
    is_active=True, last_login=None, password__startswith=UNUSABLE_PASSWORD_PREFIX
) & ~Exists(SocialAccount.objects.filter(user=OuterRef("pk")))
NO_ROLE = ~Q(groups__name__in=roles.NAMES) & Q(is_superuser=False)


class Refused(Exception):
    """The change is not allowed. The text says why, for people."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user, as the People page shows them."""

    user: User

    @property
    def role(self) -> str:
        """The most powerful of accounts.roles.NAMES that the user has; "" for none."""
        return role_of({group.name for group in self.user.groups.all()})

    @property
    def other_groups(self) -> list[str]:
        """The groups of the user that are no roles."""
        return sorted(
            group.name for group in self.user.groups.all() if group.name not in roles.NAMES
        )

    @property
    def seen_at(self) -> datetime | None:
        """The last request of an open session, or else the last sign-in."""
        seen = [self.user.last_login, getattr(self.user, "session_seen_at", None)]
        return max((at for at in seen if at), default=None)

    @property
    def single_sign_on(self) -> bool:
        """Whether an identity of the identity provider is connected."""
        return bool(self.user.socialaccount_set.all())  # type: ignore[attr-defined]

    @property
    def is_invited(self) -> bool:
        """Whether the user has not set a password after an invitation."""
        user = self.user
        never_in = user.last_login is None and not user.has_usable_password()
        return user.is_active and never_in and not self.single_sign_on

    @property
    def factors(self) -> list[str]:
        """The kinds of second factors that the user has enrolled, for people."""
        names = {Authenticator.Type.TOTP: "App", Authenticator.Type.WEBAUTHN: "Passkey"}
        found = {one.type for one in self.user.authenticator_set.all()}  # type: ignore[attr-defined]
        return [names[kind] for kind in FACTORS if kind in found]

    @property
    def lacks_factor(self) -> bool:
        """Whether the user must enroll a second factor at the next sign-in with a password.

        The groups that are no roles do not count.
        """
        demanded_of = settings.REQUIRE_SECOND_FACTOR
        is_administrator = self.user.is_superuser or self.role == ADMINISTRATORS
        is_demanded = demanded_of == "everyone" or (
            demanded_of == "administrators" and is_administrator
        )
        only_single_sign_on = self.single_sign_on and not self.user.has_usable_password()
        return is_demanded and not self.factors and not only_single_sign_on


def role_of(groups: set[str]) -> str:
    """Returns the most powerful role among these names of groups; "" for none."""
    return next((name for name in reversed(roles.NAMES) if name in groups), "")


def everyone() -> QuerySet[User]:
    """Returns all users with what Person shows, the active ones first."""
    return (
        User.objects.annotate(session_seen_at=Max("usersession__last_seen_at"))
        .prefetch_related("groups", "authenticator_set", "socialaccount_set")
        .order_by("-is_active", "username")
    )


def may_change(by: User, user: User) -> bool:
    """Whether `by` may change the user. Only superusers may change a superuser."""
    return by.has_perm("auth.change_user") and (by.is_superuser or not user.is_superuser)


# --- Invitations ----------------------------------------------------------------------------------


def invite(username: str, email: str, role: str) -> User:
    """Creates a user without a password, in the group `role`; "" for no group."""
    with transaction.atomic():
        user = User.objects.create_user(username, email)
        if role:
            user.groups.add(Group.objects.get(name=role))
    return user


def new_link(user: User) -> str:
    """Returns a link with which the invited user sets a password. Earlier links end.

    It is allauth's link for a lost password: signed, valid for PASSWORD_RESET_TIMEOUT seconds, and
    used up once it has set a password.
    """
    user.set_unusable_password()  # at random, and the signature covers it
    user.save(update_fields=["password"])
    key = f"{user_pk_to_url_str(user)}-{default_token_generator.make_token(user)}"
    return str(get_adapter().get_reset_password_from_key_url(key))


def link_days() -> int:
    """Returns for how many days a link is valid."""
    return int(settings.PASSWORD_RESET_TIMEOUT // (24 * 60 * 60))


def mail_link(request: HttpRequest, user: User, link: str) -> bool:
    """Mails the link to the invited user. Returns whether the mail server took it."""
    context = {
        "link": link,
        "user": user,
        "by": request.user,
        "days": link_days(),
        "portal": settings.PORTAL_URL,
    }
    try:
        get_adapter().render_mail("account/email/invitation", user.email, context).send()
    except OSError as error:
        logger.error("Mail (invitation) could not be sent: %s", type(error).__name__)
        return False
    return True


# --- Changes --------------------------------------------------------------------------------------


def lowers(user: User, role: str) -> bool:
    """Whether `role` has no more power than the most powerful role of the user."""
    ranks = ["", *roles.NAMES]
    before = role_of(set(user.groups.values_list("name", flat=True)))
    return ranks.index(role) <= ranks.index(before)


def set_role(user: User, role: str) -> None:
    """Makes `role` the only role of the user; "" for none. Keeps groups that are no roles.

    Raises Refused if no administrator would remain.
    """
    with transaction.atomic():
        advisory_lock("administrators")
        before = set(user.groups.filter(name__in=roles.NAMES))
        after = set(Group.objects.filter(name=role))
        if role != ADMINISTRATORS and not user.is_superuser:
            _must_not_be_last_administrator(user)
        user.groups.remove(*before - after)
        user.groups.add(*after - before)


def deactivate(user: User, *, by: User) -> None:
    """Deactivates the user, which ends their sessions and tokens.

    Raises Refused for the caller, and if no administrator would remain.
    """
    if user == by:
        msg = "You cannot deactivate yourself. Ask another administrator."
        raise Refused(msg)
    with transaction.atomic():
        advisory_lock("administrators")
        _must_not_be_last_administrator(user)
        _set_active(user, is_active=False)


def reactivate(user: User) -> None:
    """Activates the user again. Sessions and tokens that ended stay ended."""
    _set_active(user, is_active=True)


def _set_active(user: User, *, is_active: bool) -> None:
    user.is_active = is_active
    user.save(update_fields=["is_active"])  # accounts.receivers ends and records


def _must_not_be_last_administrator(user: User) -> None:
    """Raises Refused if the user is the last administrator who can sign in."""
    administrators = User.objects.with_perm(
        "auth.change_user", backend=settings.AUTHENTICATION_BACKENDS[0]
    )
    if not administrators.filter(pk=user.pk).exists():
        return
    if not administrators.exclude(pk=user.pk).exclude(INVITED).exists():
        msg = (
            f"{user.get_username()} is the last active administrator. Make somebody else an"
            " administrator first, and let them sign in."
        )
        raise Refused(msg)


def remove_second_factors(user: User) -> None:
    """Removes all second factors and recovery codes of a user who has lost them."""
    for factor in Authenticator.objects.filter(user=user):
        factor.delete()  # accounts.receivers records


def record_invitation(user: User, *, how: str) -> None:
    """Records in the security log that a link was made, and `how` it was delivered."""
    record(EventKind.ROLES_CHANGED, user=user, detail=f"invited, {how}")
