"""What a person does in a browser, for tests that start at the sign-in page."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
import time
from typing import Any

from django.core import mail
from django.test import Client
from django.utils import timezone

PASSWORD = "correct horse battery staple"


def sign_in(client: Client, login: str, password: str = PASSWORD, **data: Any) -> Any:
    return client.post("/accounts/login/", {"login": login, "password": password, **data})


def is_signed_in(client: Client) -> bool:
    """Whether this browser is signed in."""
    return client.get("/accounts/2fa/").status_code == 200


def confirm_password(client: Client, password: str = PASSWORD) -> None:
    answer = client.post("/accounts/reauthenticate/", {"password": password})
    assert answer.status_code == 302


def sent_mail() -> list[Any]:
    """Waits for mail, which another thread sends, and returns it."""
    deadline = time.monotonic() + 10
    while not mail.outbox and time.monotonic() < deadline:
        time.sleep(0.01)
    return list(mail.outbox)


def totp(secret: str) -> str:
    """Returns the current TOTP code (RFC 6238)."""
    counter = struct.pack(">Q", int(timezone.now().timestamp()) // 30)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**6:06}"
