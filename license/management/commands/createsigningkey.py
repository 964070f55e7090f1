"""The command `createsigningkey`."""

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
    """Generates a key pair for signing licenses."""

    help = (
        "Generates the vendor's RSA key pair for signing licenses. Never copy the private key to a"
        " deployment."
    )
    requires_system_checks = []  # independent of this deployment

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("private", type=Path, help="where to write the private key (mode 0600)")
        parser.add_argument("public", type=Path, help="where to write the public key")

    def handle(self, *, private: Path, public: Path, **options: Any) -> None:
        if (settings.BASE_DIR / "public") in private.resolve().parents:
            msg = "public/ is shipped to customers. Write the private key to another folder."
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
            f"{private}: keep it secret. `manage.py issuelicense --signing-key` requires it.\n"
            f"{public}: append it to the public/public-key.pem that you ship. Keep the old key in"
            " that file until all licenses signed with it have expired."
        )


def _write_new(path: Path, content: bytes, *, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        msg = f"{path} already exists. It was not overwritten."
        raise CommandError(msg) from None
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror}."
        raise CommandError(msg) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
