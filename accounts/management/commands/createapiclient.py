from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import clients
from accounts.api_auth import SCOPES
from accounts.clients import NAME_MAX_LENGTH


class Command(BaseCommand):
    help = (
        "Creates an API client and prints its id and secret. The secret is shown only once: the"
        " portal stores a hash. To revoke access, delete the client on the API clients page."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the name of the client; the change log shows it")
        parser.add_argument(
            "--scope",
            action="append",
            dest="scopes",
            default=[],
            help=f"a scope to grant: {', '.join(SCOPES)}; repeat the option for several",
        )

    def handle(self, *, name: str, scopes: list[str], **options: Any) -> None:
        name = name.strip()
        if not name or len(name) > NAME_MAX_LENGTH or not name.isprintable():
            msg = f"The name must have 1 to {NAME_MAX_LENGTH} printable characters."
            raise CommandError(msg)
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if unknown or not scopes:
            wrong = f"Unknown scope: {', '.join(unknown)}." if unknown else "No scope given."
            msg = f"{wrong} Pass one or more of --scope {', --scope '.join(SCOPES)}."
            raise CommandError(msg)
        client, secret = clients.create(name, scopes)
        self.stdout.write(f"CLIENT_ID={client.pk}\nCLIENT_SECRET={secret}")
        self.stderr.write("Store the secret now. It is not shown again.", self.style.WARNING)
