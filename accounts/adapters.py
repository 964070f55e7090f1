"""allauth adapters for a portal without self-service sign-up."""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import unicodedata
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter

# Internal: no public API adds the row of an address. The functions in allauth.account.utils find
# accounts too, but will be deprecated and match user names by the database's collation.
from allauth.account.internal.flows.manage_email import sync_user_email_address
from allauth.account.internal.userkit import filter_users_by_email, get_user_by_username
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal import ratelimit  # the public one counts by allauth.account's rates only
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts import waiting
from accounts.models import EventKind
from accounts.security_log import record, signed_in_as
from storage import encryption

logger = logging.getLogger(__name__)

# Failed sign-ins to one account, from addresses that have never signed in to it.
RATES = {"login_failed_elsewhere": "30/h/key"}
KNOWN_FOR = 30 * 24 * 60 * 60  # seconds


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is not typed
    """Rate limits password guessing without locking users out.

    Attempts are counted per account and client address. A second limit, per account, applies only
    to addresses that have not signed in to the account in the last 30 days. Passkeys do not count.
    """

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def format_email_subject(self, subject: str) -> str:
        """Returns allauth's subject in sentence case, with the prefix of this portal."""
        return str(super().format_email_subject(subject.capitalize()))

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Sends the mail. Logs a failure and does not raise it."""
        try:
            super().send_mail(template_prefix, email, context)
        except OSError as error:  # the change is saved; only its notification failed
            logger.error("Mail (%s) could not be sent: %s", template_prefix, type(error).__name__)

    def set_password(self, user: User, password: str) -> None:
        """Saves the password only: a user who is deactivated meanwhile stays deactivated."""
        user.set_password(password)
        user.save(update_fields=["password"])

    def get_client_ip(self, request: HttpRequest) -> str:
        """Returns the client's address; an IPv4-mapped IPv6 address as IPv4.

        A dual-stack socket reports IPv4 clients as ::ffff:192.0.2.1. All of them are in one /64,
        which rate limits count as one address.
        """
        address = super().get_client_ip(request)
        mapped = getattr(ipaddress.ip_address(address), "ipv4_mapped", None)
        return str(mapped or address)

    def validation_error(self, code: str, *args: Any) -> ValidationError:
        """Returns allauth's error; for a rate limit, with the time until the next attempt.

        Records rate limited sign-ins in the security log.
        """
        if code == "too_many_login_attempts":
            user = self._guessed or signed_in_as(context.request)
            record(EventKind.THROTTLED, user=user, method="sign-in")
            wait = waiting.in_words(context.request)
            return ValidationError(f"Too many failed attempts. Try again in {wait}.", code=code)
        if code == "rate_limited":
            wait = waiting.in_words(context.request)
            return ValidationError(f"Too many attempts. Try again in {wait}.", code=code)
        error: ValidationError = super().validation_error(code, *args)
        return error

    _guessed: User | None = None  # the user that the request tries to sign in as

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        # allauth's own key contains the Host header, whose port a caller can vary.
        return f"{_account(credentials)} {ratelimit.get_ip(request)}"

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Applies the rate limits. Raises ValidationError if one is reached."""
        self._guessed = find_user(_login(credentials))
        super().pre_authenticate(request, **credentials)
        self._elsewhere = None
        self._known_key = "sign-in " + self._get_login_attempts_cache_key(request, **credentials)
        if cache.get(_hashed(self._known_key)):
            return
        self._elsewhere = ratelimit.consume(
            request,
            app="accounts",
            action="login_failed_elsewhere",
            config=RATES,
            key=_account(credentials),
        )
        if not self._elsewhere:
            raise self.validation_error("too_many_login_attempts")

    def _rollback_login_failed_rl_usage(self) -> None:
        """After a correct password: does not count the attempt; remembers the address."""
        super()._rollback_login_failed_rl_usage()
        if self._elsewhere:
            self._elsewhere.rollback()
        cache.set(_hashed(self._known_key), True, KNOWN_FOR)

    def post_login(self, request: HttpRequest, user: User, **how: Any) -> HttpResponse:
        """Redirects users without a role to the page that explains it."""
        sync_user_email_address(user)  # here, so that the email page never writes on GET
        response: HttpResponse = super().post_login(request, user, **how)
        # Single sign-on creates users without a role. Any other page would respond with 403.
        return response if user.get_all_permissions() else redirect("account_no_role")


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth is not typed
    """Encrypts the secrets of second factors with settings.ENCRYPTION_KEYS."""

    def encrypt(self, text: str) -> str:
        return encryption.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return encryption.decrypt(encrypted_text)


def _account(credentials: dict[str, Any]) -> str:
    """Returns one key per account, however the login is written."""
    login = _login(credentials)
    user = find_user(login)
    return f"user {user.pk}" if user else unicodedata.normalize("NFKC", login).casefold()


def _login(credentials: dict[str, Any]) -> str:
    return str(credentials.get("username") or credentials.get("email") or "")


def find_user(login: str) -> User | None:
    """Returns the user with this user name or email address, as the sign-in finds them."""
    return get_user_by_username(login) or next(iter(filter_users_by_email(login)), None)


def _hashed(key: str) -> str:
    # Makes a valid cache key of any login.
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth is not typed
    """Creates users on their first single sign-on."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return True  # the identity provider authenticates people; they get a user without a role

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Rejects a new identity whose email address belongs to an existing user.

        Only that user can connect the two, after signing in. allauth would ask for another address
        instead.
        """
        if sociallogin.is_existing or sociallogin.state.get("process") == "connect":
            return
        if any(filter_users_by_email(address.email) for address in sociallogin.email_addresses):
            page = render(request, "socialaccount/address_taken.html", status=403)
            raise ImmediateHttpResponse(page)
