"""The log of sign-ins and of what changes anybody's powers: a row, and a JSON line."""

from __future__ import annotations

import json
import logging
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.core import context
from allauth.core.internal import ratelimit  # nothing public counts across processes
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import EventKind, SecurityEvent

logger = logging.getLogger(__name__)
lines = logging.getLogger("threatreaction.security")  # JSON; settings.LOGGING gives it its handler

# Rows by one address that is not signed in. The JSON lines go on: whoever reads them has a limit.
RATES = {"security_log": "30/m/ip"}


def record(
    kind: EventKind,
    *,
    request: HttpRequest | None = None,
    user: User | None = None,
    client_id: str = "",
    method: str = "",
    detail: str = "",
) -> None:
    """Adds a row and writes a line. `user` is whom it is about; the request tells who did it.

    Without a request it is a command. What cannot be stored is logged; the request goes on.
    """
    request = request or context.request
    actor = getattr(request, "user", None) if request else None
    event = SecurityEvent(
        at=timezone.now(),
        kind=kind,
        user=user,
        user_name=user.get_username() if user else "",
        client_id=_printable(client_id, 100),
        by_name=actor.get_username() if isinstance(actor, User) else "",
        address=address_of(request),
        user_agent=_printable(request.headers.get("User-Agent", ""), 200) if request else "",
        method=_printable(method, 100),
        detail=_printable(detail, 200),
    )
    lines.info("%s", json.dumps(as_json(event)))
    if request and event.address and not isinstance(actor, User) and not _has_room(request):
        return
    try:
        with transaction.atomic():
            event.save()
    except DatabaseError:
        logger.exception("A security event could not be stored.")


def as_json(event: SecurityEvent) -> dict[str, Any]:
    """What a line says, and what the API says of a row."""
    return {
        "at": event.at.isoformat(timespec="seconds"),
        "event": str(event.kind),
        "user": event.user_name,
        "client_id": event.client_id,
        "by": event.by_name,
        "address": event.address,
        "user_agent": event.user_agent,
        "method": event.method,
        "detail": event.detail,
    }


def address_of(request: HttpRequest | None) -> str:
    try:
        return str(get_adapter().get_client_ip(request)) if request else ""
    except PermissionDenied:  # there is none, as where a test signs somebody in
        return ""


def _has_room(request: HttpRequest) -> bool:
    usage = ratelimit.consume(
        request, app="accounts", action="security_log", config=RATES, limit_get=True
    )
    return usage is not None


def _printable(text: str, length: int) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:length]


def signed_in_as(request: HttpRequest | None) -> User | None:
    user = getattr(request, "user", None) or AnonymousUser()
    return user if isinstance(user, User) else None
