from __future__ import annotations

from django.contrib.auth.models import User
from django.test import Client


def browser(user: User) -> Client:
    """A client with a middleware stack of its own, as the settings are now."""
    client = Client()
    client.force_login(user)
    client.get("/healthz")
    return client
