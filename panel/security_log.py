"""Logs sign-ins, second factors and ended sessions as JSON lines.

The journal (panel.models.Act) records what staff do with licenses.
"""

from __future__ import annotations

import json
import logging

from allauth.account.adapter import get_adapter
from allauth.core import context
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils import timezone

lines = logging.getLogger("panel.security")  # see settings.LOGGING


def record(
    event: str,
    *,
    user: User,
    request: HttpRequest | None = None,
    method: str = "",
    detail: str = "",
) -> None:
    """Logs an event about `user`. Without a current request, the event comes from a command."""
    request = request or context.request
    said = {
        "at": timezone.now().isoformat(timespec="seconds"),
        "event": event,
        "user": user.email,
        "is_staff": user.is_staff,
        "address": _address(request),
        "user_agent": request.headers.get("User-Agent", "")[:200] if request else "",
        "method": method,
        "detail": detail,
    }
    lines.info("%s", json.dumps(said))


def _address(request: HttpRequest | None) -> str:
    try:
        return str(get_adapter().get_client_ip(request)) if request else ""
    except PermissionDenied:  # the request has no address, for example in a test
        return ""
