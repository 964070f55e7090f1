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
        "Removes the second factors and recovery codes of somebody who has lost them, and ends"
        " their sessions. Make sure that it is them who asks: the next sign-in needs the mailed"
        " code alone, and staff set up a new second factor then."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    @transaction.atomic
    def handle(self, *, email: str, **options: Any) -> None:
        user = User.objects.filter(email__iexact=email).first()
        if user is None:
            msg = f"Nobody has the e-mail address {email!r}."
            raise CommandError(msg)
        removed, _ = Authenticator.objects.filter(user=user).delete()
        for session in Session.objects.iterator():
            if session.get_decoded().get(SESSION_KEY) == str(user.pk):
                session.delete()
        self.stdout.write(f"Removed {removed} second factors of {user.email}; no session is left.")
