"""allauth's questions about sign-in, answered for a site where an e-mail address is the account."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import reverse


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is not typed
    def populate_username(self, request: HttpRequest, user: User) -> None:
        user.username = user.email

    def get_reauthentication_methods(self, user: User) -> list[dict[str, str]]:
        return []  # nobody has a password to ask for again

    def send_account_already_exists_mail(self, email: str) -> None:
        """To somebody who signs up again. allauth's own mail is about a forgotten password."""
        sign_in = self.request.build_absolute_uri(reverse("account_login"))
        context = {"request": self.request, "email": email, "sign_in_url": sign_in}
        self.send_mail("account/email/account_already_exists", email, context)


def user_display(user: User) -> str:
    return user.email
