"""allauth's questions about sign-in, answered for a site where an e-mail address is the account."""

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
# What strangers can have mailed to somebody.
ASKED_FOR = {
    "account/email/login_code": CODE,
    "account/email/email_confirmation": CODE,
    "account/email/email_confirmation_signup": CODE,
    "account/email/unknown_account": NOTICE,
    "account/email/account_already_exists": NOTICE,
}


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is not typed
    def populate_username(self, request: HttpRequest, user: User) -> None:
        user.username = user.email

    def get_reauthentication_methods(self, user: User) -> list[dict[str, str]]:
        """By a second factor alone: nobody has a password to ask for again."""
        methods: list[dict[str, str]] = super().get_reauthentication_methods(user)
        return [method for method in methods if method["id"].startswith("mfa_")]

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        kind = ASKED_FOR.get(template_prefix)
        if kind:
            send = super().send_mail
            codes.mail(
                kind,
                email,
                context.get("code", ""),
                lambda: send(template_prefix, email, context),
            )
            return
        try:
            super().send_mail(template_prefix, email, context)
        except OSError as error:  # what was changed is changed, whether or not it can be told
            logger.error("Mail (%s) could not be sent: %s", template_prefix, type(error).__name__)

    def send_account_already_exists_mail(self, email: str) -> None:
        """To somebody who signs up again. allauth's own mail is about a forgotten password."""
        sign_in = self.request.build_absolute_uri(reverse("account_login"))
        context = {"request": self.request, "email": email, "sign_in_url": sign_in}
        self.send_mail("account/email/account_already_exists", email, context)


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth is not typed
    def encrypt(self, text: str) -> str:
        return encryption.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return encryption.decrypt(encrypted_text)


def user_display(user: User) -> str:
    return user.email
