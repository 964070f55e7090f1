"""allauth adapters for a site where the email address is the account and nobody has a password."""

from __future__ import annotations

import logging
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import reverse

from panel import codes
from storage import encryption

logger = logging.getLogger(__name__)

CODE, NOTICE = "code", "notice"
# Mail that anybody can request for any address, without being signed in.
ASKED_FOR = {
    "account/email/login_code": CODE,
    "account/email/email_confirmation": CODE,
    "account/email/email_confirmation_signup": CODE,
    "account/email/unknown_account": NOTICE,
    "account/email/account_already_exists": NOTICE,
}


class MailError(Exception):
    """A code could not be mailed. The text is the error of the mail server, without the address."""


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is not typed
    """Uses the email address as the user name, and rate limits mail that anybody can request."""

    def populate_username(self, request: HttpRequest, user: User) -> None:
        user.username = user.email

    def get_reauthentication_methods(self, user: User) -> list[dict[str, str]]:
        """Returns the second factor methods only: there is no password to reauthenticate with."""
        methods: list[dict[str, str]] = super().get_reauthentication_methods(user)
        return [method for method in methods if method["id"].startswith("mfa_")]

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Sends the mail, or skips it if the address has reached its rate limit.

        Raises MailError if a code cannot be sent. A failed notification is logged instead.
        """
        kind = ASKED_FOR.get(template_prefix)
        if kind:
            send = super().send_mail
            try:
                codes.mail(
                    kind,
                    email,
                    context.get("code", ""),
                    lambda: send(template_prefix, email, context),
                )
            except OSError as error:
                raise MailError(type(error).__name__) from None
            return
        try:
            super().send_mail(template_prefix, email, context)
        except OSError as error:  # the change is saved; only its notification failed
            logger.error("Mail (%s) could not be sent: %s", template_prefix, type(error).__name__)

    def send_account_already_exists_mail(self, email: str) -> None:
        """Points a person who signs up again to the sign-in page.

        allauth's own mail explains how to reset a password, which does not exist here.
        """
        sign_in = self.request.build_absolute_uri(reverse("account_login"))
        context = {"request": self.request, "email": email, "sign_in_url": sign_in}
        self.send_mail("account/email/account_already_exists", email, context)


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth is not typed
    """Encrypts the secrets of second factors with settings.ENCRYPTION_KEYS."""

    def encrypt(self, text: str) -> str:
        return encryption.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return encryption.decrypt(encrypted_text)


def user_display(user: User) -> str:
    """Returns the name that allauth shows for the user. See ACCOUNT_USER_DISPLAY."""
    return user.email
