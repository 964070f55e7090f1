from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction


class Command(BaseCommand):
    help = (
        "Removes the second factors and recovery codes of a user who has lost them, and ends their"
        " sessions. Verify the user's identity first: the next sign-in requires only the emailed"
        " code. Staff must then set up a new second factor."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    @transaction.atomic
    def handle(self, *, email: str, **options: Any) -> None:
        user = User.objects.filter(email__iexact=email).first()
        if user is None:
            msg = f"No user has the email address {email!r}."
            raise CommandError(msg)
        removed, _ = Authenticator.objects.filter(user=user).delete()
        for session in Session.objects.iterator():
            if session.get_decoded().get(SESSION_KEY) == str(user.pk):
                session.delete()
        self.stdout.write(
            f"Removed {removed} second factors of {user.email} and ended all sessions."
        )
