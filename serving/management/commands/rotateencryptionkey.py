from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from cryptography.fernet import InvalidToken
from django.core.management.base import BaseCommand, CommandError

from storage.encryption import reencrypt


class Command(BaseCommand):
    help = (
        "Re-encrypts the secrets of second factors with the first key of ENCRYPTION_KEYS. After"
        " that, you can remove the other keys."
    )

    def handle(self, **options: Any) -> None:
        try:
            rows = reencrypt(Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN))
        except InvalidToken:
            msg = (
                "A second factor is encrypted with a key that is not in ENCRYPTION_KEYS."
                " Nothing was changed."
            )
            raise CommandError(msg) from None
        self.stdout.write(f"Encrypted {rows} second factors with the first key.")
