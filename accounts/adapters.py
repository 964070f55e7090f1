"""allauth's questions about sign-in, answered for a portal that nobody joins on their own."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.userkit import filter_users_by_email
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is not typed
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def post_login(self, request: HttpRequest, user: User, **how: Any) -> HttpResponse:
        response: HttpResponse = super().post_login(request, user, **how)
        # Single sign-on lets people in before anybody has given them a role; any other page that
        # they asked for would only say no.
        return response if user.get_all_permissions() else redirect("account_no_role")


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
