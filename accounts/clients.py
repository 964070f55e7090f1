"""API clients: creation, scopes, secrets, and when they were last used."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from allauth.idp.oidc.models import Client, Token
from django.contrib.auth.models import User
from django.db import transaction

NAME_MAX_LENGTH = 100  # characters; the size of the column
USED = "last_used_at"  # in Client.data, in ISO 8601
NOTED_EVERY = timedelta(minutes=1)


def create(name: str, scopes: list[str], *, owner: User | None = None) -> tuple[Client, str]:
    """Creates a client. Returns it with its secret, of which only the hash is stored."""
    client = Client(
        name=name,
        response_types="",
        grant_types=Client.GrantType.CLIENT_CREDENTIALS,
        owner=owner,
    )
    _allow(client, scopes)
    secret = _new_secret(client)
    client.save()
    return client, secret


def set_scopes(client: Client, scopes: list[str]) -> None:
    """Sets the scopes. Tokens with a scope that the client no longer has end."""
    _allow(client, scopes)
    with transaction.atomic():
        client.save(update_fields=["scopes", "default_scopes"])
        for token in Token.objects.filter(client=client):
            if not set(token.get_scopes()) <= set(scopes):
                token.delete()


def new_secret(client: Client) -> str:
    """Gives the client a new secret and returns it. The old one and all tokens end."""
    secret = _new_secret(client)
    with transaction.atomic():
        client.save(update_fields=["secret"])
        Token.objects.filter(client=client).delete()
    return secret


def note_use(client: Client, *, at: datetime) -> bool:
    """Stores that the client got a token, at most once a minute.

    `client` is as it was before its secret was verified, which takes a while. Returns False if it
    was deleted or its secret or scopes were replaced meanwhile: the token must not be used then.
    """
    with transaction.atomic():
        # Waits for a replacement. One that begins later sees the token, and ends it.
        now = Client.objects.select_for_update(no_key=True).filter(pk=client.pk).first()
        if now is None or (now.secret, now.scopes) != (client.secret, client.scopes):
            return False
        used_at = last_used_at(now)
        if used_at is None or at - used_at >= NOTED_EVERY:
            now.data = {**(now.data or {}), USED: at.isoformat(timespec="seconds")}
            Client.objects.filter(pk=now.pk).update(data=now.data)
    return True


def last_used_at(client: Client) -> datetime | None:
    """Returns when the client last got a token, which is valid for an hour; None for never."""
    used_at = (client.data or {}).get(USED)
    return datetime.fromisoformat(used_at) if used_at else None


def _allow(client: Client, scopes: list[str]) -> None:
    client.set_scopes(sorted(set(scopes)))
    client.set_default_scopes(sorted(set(scopes)))


def _new_secret(client: Client) -> str:
    secret = secrets.token_urlsafe(32)  # 256 bits, safe in shells and headers
    client.set_secret(secret)
    return secret
