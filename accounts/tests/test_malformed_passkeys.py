"""JSON that no browser makes, in place of a passkey, is a wrong answer, and nobody's 500."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.test import Client

from accounts.tests.browser import confirm_password, is_signed_in, sign_in

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.one_database,
]  # forms that are refused before a query

FACTORS = "/accounts/2fa/webauthn/"
MALFORMED = [
    "null",
    "{}",
    '{"id": 5}',
    '{"id": "YQ", "rawId": "YQ", "type": "public-key", "response": {"clientDataJSON": "e30"}}',
    '{"id": "a", "rawId": "b", "type": "public-key", "response": {}}',
    "[" * 5000,
]


@pytest.mark.parametrize("credential", MALFORMED)
def test_it_signs_nobody_in(client: Client, credential: str) -> None:
    client.get(f"{FACTORS}login/")
    answer = client.post(f"{FACTORS}login/", {"credential": credential})
    assert answer.status_code < 500
    assert not is_signed_in(client)


@pytest.mark.parametrize("credential", MALFORMED)
def test_it_is_not_added(viewer: User, client: Client, credential: str) -> None:
    sign_in(client, "vera")
    confirm_password(client)
    client.get(f"{FACTORS}add/")
    answer = client.post(f"{FACTORS}add/", {"name": "key", "credential": credential})
    assert answer.status_code == 200
    assert not Authenticator.objects.exists()
