from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpResponse
from django.http.response import HttpResponseBase

from license import gate, problem, status
from license.middleware import SAFE_METHODS, LicensedRequest


class WriteMiddleware:
    """Makes each write of an authenticated caller one transaction, in which everything is decided.

    The body has been read by then, so nothing keeps the write waiting after the license and the
    caller have been checked. It stands last in MIDDLEWARE: the checks of the others, the view, and
    the license a second time, all happen between BEGIN and COMMIT.
    """

    def __init__(self, get_response: Callable[[LicensedRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: LicensedRequest) -> HttpResponseBase:
        if request.method in SAFE_METHODS:
            return self.get_response(request)
        user_id = request.session.get(SESSION_KEY)
        if user_id is None and "Authorization" not in request.headers:
            return self.get_response(request)  # a stranger, who signs in or is refused
        with transaction.atomic():
            if user_id is not None:
                _hold(user_id)
            response = self.get_response(request)
            refusal = _refusal(request) if response.status_code < 400 else None
            if refusal or response.status_code >= 500:
                transaction.set_rollback(True)
        return refusal or response


def _hold(user_id: Any) -> None:
    """Who deactivates this person, or changes their password, waits for the write, or it for them.

    `accounts.api_auth.by_access_token` does the same for a program.
    """
    list(User.objects.select_for_update(no_key=True).filter(pk=user_id).values_list("pk"))


def _refusal(request: LicensedRequest) -> HttpResponse | None:
    """The refusal of a gated write whose license has ended while the view was at work."""
    if gate.is_exempt(request):
        return None
    license_status = status.current()
    return None if license_status.allows_writes else problem.refuse(request, license_status)
