from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from allauth.idp.oidc.models import Client as OAuthClient
from allauth.idp.oidc.models import Token
from django.test import Client
from django.utils import timezone


@pytest.fixture
def program(db: None) -> Callable[[str], Client]:
    """A program whose access token has these scopes."""

    def with_scopes(scopes: str) -> Client:
        client = OAuthClient.objects.create(name="pipeline", grant_types="client_credentials")
        token = Token(
            client=client,
            type=Token.Type.ACCESS_TOKEN,
            expires_at=timezone.now() + timedelta(hours=1),
        )
        token.set_scopes(scopes.split())
        token.set_value(f"token for {scopes}")
        token.save()
        return Client(headers={"Authorization": f"Bearer token for {scopes}"})

    return with_scopes
