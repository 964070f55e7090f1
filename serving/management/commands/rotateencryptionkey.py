from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from cryptography.fernet import InvalidToken
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from storage.encryption import others, reencrypt


class Command(BaseCommand):
    help = (
        "Re-encrypts the secrets of second factors and of destinations of notifications with the"
        " first key of ENCRYPTION_KEYS. After that, you can remove the other keys."
    )

    def handle(self, **options: Any) -> None:
        try:
            with transaction.atomic():
                counts = {
                    "second factors": reencrypt(
                        Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN)
                    ),
                    **{name: again() for name, again in others.items()},
                }
        except InvalidToken:
            msg = (
                "A stored secret is encrypted with a key that is not in ENCRYPTION_KEYS."
                " Nothing was changed."
            )
            raise CommandError(msg) from None
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        self.stdout.write(f"Encrypted with the first key: {told}.")
