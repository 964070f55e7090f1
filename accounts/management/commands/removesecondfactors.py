from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    help = (
        "Removes the second factors, passkeys and recovery codes of a user who has lost them. The"
        " user can then sign in with the password only, and must enroll a new factor if one is"
        " required."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *, username: str, **options: Any) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            msg = f"There is no user {username!r}."
            raise CommandError(msg)
        removed, _ = Authenticator.objects.filter(user=user).delete()
        self.stdout.write(f"Removed {removed} second factors of {username}.")
