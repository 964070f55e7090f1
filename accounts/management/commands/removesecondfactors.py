from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    help = (
        "Removes a person's second factors, passkeys and recovery codes, for who has lost them all."
        " The password alone signs them in then; where a factor is demanded, they enroll a new one."
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
