from __future__ import annotations

from django.contrib.auth.models import User
from django.test import Client


def browser(user: User) -> Client:
    """Returns a signed-in client whose middleware stack uses the current settings."""
    client = Client()
    client.force_login(user)
    client.get("/healthz")
    return client
