from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from cryptography.fernet import InvalidToken
from django.core.management.base import BaseCommand, CommandError

from storage.encryption import reencrypt


class Command(BaseCommand):
    help = (
        "Encrypts the secrets of second factors with the first of ENCRYPTION_KEYS. Afterwards the"
        " other keys can be removed."
    )

    def handle(self, **options: Any) -> None:
        try:
            rows = reencrypt(Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN))
        except InvalidToken:
            msg = (
                "A second factor was encrypted with a key that ENCRYPTION_KEYS does not hold."
                " Nothing was changed."
            )
            raise CommandError(msg) from None
        self.stdout.write(f"Encrypted {rows} second factors with the first key.")
