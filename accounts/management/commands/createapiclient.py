from __future__ import annotations

import secrets
from typing import Any

from allauth.idp.oidc.models import Client
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.api_auth import SCOPES

NAME_MAX_LENGTH = 100  # characters; what the table holds


class Command(BaseCommand):
    help = (
        "Makes a client of the API and prints its id and secret, once: the portal keeps only a hash"
        " of the secret. Delete the client in the Django admin to take its access away."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="who it is; the log of changes shows it")
        parser.add_argument(
            "--scope",
            action="append",
            dest="scopes",
            default=[],
            help=f"what it may do: {' or '.join(SCOPES)}; give it once for each",
        )

    def handle(self, *, name: str, scopes: list[str], **options: Any) -> None:
        name = name.strip()
        if not name or len(name) > NAME_MAX_LENGTH or not name.isprintable():
            msg = f"A name has 1 to {NAME_MAX_LENGTH} printable characters."
            raise CommandError(msg)
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if unknown or not scopes:
            wrong = f"There is no scope {', '.join(unknown)}." if unknown else "No scope given."
            msg = f"{wrong} Give one or more of: --scope {', --scope '.join(SCOPES)}."
            raise CommandError(msg)
        secret = secrets.token_urlsafe(32)  # 256 bits, in characters that no shell or header minds
        client = Client(
            name=name, response_types="", grant_types=Client.GrantType.CLIENT_CREDENTIALS
        )
        client.set_scopes(sorted(set(scopes)))
        client.set_default_scopes(sorted(set(scopes)))
        client.set_secret(secret)
        client.save()
        self.stdout.write(f"CLIENT_ID={client.pk}\nCLIENT_SECRET={secret}")
        self.stderr.write("Keep the secret now; it is not shown again.", self.style.WARNING)
