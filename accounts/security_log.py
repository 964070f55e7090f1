"""Records sign-ins and changes of permissions, as database rows and JSON lines."""

from __future__ import annotations

import json
import logging
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.core import context
from allauth.core.internal import ratelimit  # internal: no public API is shared by processes
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import EventKind, SecurityEvent

logger = logging.getLogger(__name__)
lines = logging.getLogger("threatreaction.security")  # JSON; see settings.LOGGING

# Rows for unauthenticated requests, by address; and for each kind of event that signed-in users
# cause about themselves, by user. JSON lines are not limited.
RATES = {"security_log": "30/m/ip", "own_security_log": "30/m/key"}
# What gives power is stored in any case, so that no flood hides it.
ALWAYS_STORED = {EventKind.ROLES_CHANGED}


def record(
    kind: EventKind,
    *,
    request: HttpRequest | None = None,
    user: User | None = None,
    client_id: str = "",
    method: str = "",
    detail: str = "",
) -> None:
    """Stores a security event and writes a JSON line. `user` is the user the event is about.

    The request, by default the current one, tells the actor, address and user agent. Without one,
    the event comes from a command. A failure to store the event is logged, not raised.
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
    if request and event.address and not _has_room(request, event, actor):
        return
    try:
        with transaction.atomic():
            event.save()
    except DatabaseError:
        logger.exception("A security event could not be stored.")


def as_json(event: SecurityEvent) -> dict[str, Any]:
    """Returns the event as the JSON line and the API show it."""
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
    """Returns the client's address, or empty text if there is none."""
    try:
        return str(get_adapter().get_client_ip(request)) if request else ""
    except PermissionDenied:  # the request has no address, for example in a test
        return ""


def _has_room(request: HttpRequest, event: SecurityEvent, actor: Any) -> bool:
    action, key = "security_log", None
    if isinstance(actor, User):
        about_oneself = event.user in (None, actor) and not event.client_id
        if not about_oneself or event.kind in ALWAYS_STORED:
            return True
        action, key = "own_security_log", f"{actor.pk} {event.kind}"
    usage = ratelimit.consume(
        request, app="accounts", action=action, config=RATES, key=key, limit_get=True
    )
    return usage is not None


def _printable(text: str, length: int) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:length]


def signed_in_as(request: HttpRequest | None) -> User | None:
    """Returns the signed-in user of the request, if any."""
    user = getattr(request, "user", None) or AnonymousUser()
    return user if isinstance(user, User) else None
