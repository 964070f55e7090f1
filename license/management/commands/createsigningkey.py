"""Makes a key pair that signs licenses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from license.keyring import EXPONENT, MINIMUM_BITS, thumbprint


class Command(BaseCommand):
    """See `help`."""

    help = "Makes the vendor's RSA key pair for licenses. The private key never joins a deployment."
    requires_system_checks = []  # it needs nothing of this deployment

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("private", type=Path, help="where to write the private key (mode 0600)")
        parser.add_argument("public", type=Path, help="where to write the public key")

    def handle(self, *, private: Path, public: Path, **options: Any) -> None:
        if (settings.BASE_DIR / "public") in private.resolve().parents:
            msg = "public/ is shipped to customers: write the private key somewhere else."
            raise CommandError(msg)
        key = rsa.generate_private_key(public_exponent=EXPONENT, key_size=MINIMUM_BITS)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public_pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        _write_new(public, public_pem, mode=0o644)
        try:
            _write_new(private, pem, mode=0o600)
        except CommandError:
            public.unlink()
            raise
        self.stdout.write(
            f"Key id {thumbprint(key.public_key())}.\n"
            f"{private}: keep it secret; `manage.py issuelicense --signing-key` needs it.\n"
            f"{public}: append it to public/public-key.pem of what you ship, beside the old key"
            " while that still counts."
        )


def _write_new(path: Path, content: bytes, *, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        msg = f"{path} exists and is not overwritten."
        raise CommandError(msg) from None
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror}."
        raise CommandError(msg) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
