"""allauth's questions about sign-in, answered for a portal that nobody joins on their own."""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import unicodedata
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter

# Nothing public adds the row of an address. What finds an account in allauth.account.utils is to be
# deprecated, and takes a user name by the database's collation.
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

from accounts.models import EventKind
from accounts.security_log import record, signed_in_as
from storage import encryption

logger = logging.getLogger(__name__)

# Failed attempts on one account from addresses that have never signed in to it.
RATES = {"login_failed_elsewhere": "30/h/key"}
KNOWN_FOR = 30 * 24 * 60 * 60  # seconds


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is not typed
    """Slows guesses down, without letting a stranger lock somebody out.

    Attempts are counted for an account and a client address together. A limit for the account as a
    whole applies only to addresses from which nobody has signed in to it. Passkeys are not counted.
    """

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        try:
            super().send_mail(template_prefix, email, context)
        except OSError as error:  # what was changed is changed, whether or not it can be told
            logger.error("Mail (%s) could not be sent: %s", template_prefix, type(error).__name__)

    def get_client_ip(self, request: HttpRequest) -> str:
        """The address in its shortest form.

        A socket for both versions writes an IPv4 address as ::ffff:192.0.2.1. Those lie in one /64,
        and limits count a /64 as one address.
        """
        address = super().get_client_ip(request)
        mapped = getattr(ipaddress.ip_address(address), "ipv4_mapped", None)
        return str(mapped or address)

    def validation_error(self, code: str, *args: Any) -> ValidationError:
        if code == "too_many_login_attempts":
            user = self._guessed or signed_in_as(context.request)
            record(EventKind.THROTTLED, user=user, method="sign-in")
        error: ValidationError = super().validation_error(code, *args)
        return error

    _guessed: User | None = None  # whose password is being tried

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        # allauth's own key holds the Host header, in which a caller can choose the port.
        return f"{_account(credentials)} {ratelimit.get_ip(request)}"

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
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
        """After a right password: the attempt does not count, and the address is known."""
        super()._rollback_login_failed_rl_usage()
        if self._elsewhere:
            self._elsewhere.rollback()
        cache.set(_hashed(self._known_key), True, KNOWN_FOR)

    def post_login(self, request: HttpRequest, user: User, **how: Any) -> HttpResponse:
        sync_user_email_address(user)  # here, so that reading the page of addresses writes nothing
        response: HttpResponse = super().post_login(request, user, **how)
        # Single sign-on lets people in before anybody has given them a role; any other page that
        # they asked for would only say no.
        return response if user.get_all_permissions() else redirect("account_no_role")


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth is not typed
    def encrypt(self, text: str) -> str:
        return encryption.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return encryption.decrypt(encrypted_text)


def _account(credentials: dict[str, Any]) -> str:
    """The same text for each way to write the login of one account."""
    login = _login(credentials)
    user = find_user(login)
    return f"user {user.pk}" if user else unicodedata.normalize("NFKC", login).casefold()


def _login(credentials: dict[str, Any]) -> str:
    return str(credentials.get("username") or credentials.get("email") or "")


def find_user(login: str) -> User | None:
    """Whose login it is, as the sign-in looks for them: a user name or an e-mail address."""
    return get_user_by_username(login) or next(iter(filter_users_by_email(login)), None)


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()  # short, and of any characters


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth is not typed
    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return True  # whom the identity provider vouches for: they get a user, but no role

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Stops a stranger from the provider who has the e-mail address of a user of ours.

        They may be the same person, but only that user can say so. allauth's own answer is a form
        for another address.
        """
        if sociallogin.is_existing or sociallogin.state.get("process") == "connect":
            return
        if any(filter_users_by_email(address.email) for address in sociallogin.email_addresses):
            page = render(request, "socialaccount/address_taken.html", status=403)
            raise ImmediateHttpResponse(page)
