"""Asks signed-in users for their password or second factor again, as allauth's own pages do."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

# Internal: the public decorator cannot ask for some requests of a view only, and is not typed.
from allauth.account.internal.flows.reauthentication import raise_if_reauthentication_required
from django.http import HttpRequest, HttpResponse


def demand(request: HttpRequest) -> None:
    """Raises ReauthenticationRequired unless the user has confirmed recently.

    allauth's middleware then asks, and repeats the interrupted POST afterwards. Users of single
    sign-on who have neither a password nor a second factor here are not asked.
    """
    raise_if_reauthentication_required(request, app="")


def before_post(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Wraps a view so that POST demands it."""

    @wraps(view)
    def asking(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST":
            demand(request)
        return view(request, *args, **kwargs)

    return asking
