"""Signs in with a browser without scripts."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import struct
import time
from typing import Any

from django.core import mail
from django.test import Client

LOGIN = "/panel/accounts/login/code/"
FACTORS = "/panel/accounts/2fa/"


def ask_for_code(client: Client, email: str) -> Any:
    return client.post(LOGIN, {"email": email}, follow=True)


def mailed_codes() -> list[str]:
    bodies = "\n".join(str(message.body) for message in mail.outbox)
    return re.findall(r"^[A-Z]{4}-[A-Z]{4}$", bodies, re.MULTILINE)


def enter(client: Client, code: str) -> Any:
    return client.post(f"{LOGIN}confirm/", {"code": code})


def sign_in(client: Client, email: str) -> Any:
    ask_for_code(client, email)
    return enter(client, mailed_codes()[-1])


def is_signed_in(client: Client) -> bool:
    return client.get("/panel/accounts/logout/").status_code == 200


def set_up_app(client: Client) -> str:
    """Sets up an authenticator app and returns its secret."""
    path = f"{FACTORS}totp/activate/"
    secret: str = client.get(path).context["form"].secret
    assert client.post(path, {"code": totp(secret)}).status_code == 302
    return secret


def totp(secret: str, *, at: float | None = None) -> str:
    """Returns the TOTP code at that time, or now (RFC 6238)."""
    counter = struct.pack(">Q", int(time.time() if at is None else at) // 30)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**6:06}"
