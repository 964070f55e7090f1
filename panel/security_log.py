"""Sign-ins, second factors and the ends of sessions, each as a line of JSON in the log.

What staff do to licenses is in the journal (panel.models.Act).
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

lines = logging.getLogger("panel.security")  # settings.LOGGING gives it its handler


def record(
    event: str,
    *,
    user: User,
    request: HttpRequest | None = None,
    method: str = "",
    detail: str = "",
) -> None:
    """Without a request it is a command."""
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
    except PermissionDenied:  # there is none, as where a test signs somebody in
        return ""
