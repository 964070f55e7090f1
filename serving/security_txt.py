"""Serves security.txt (RFC 9116), for the portal and the panel."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page, require_safe

from storage.instants import iso

PATH = "/.well-known/security.txt"
VALID_FOR = timedelta(days=90)  # RFC 9116 recommends less than a year
MAX_AGE = 24 * 60 * 60  # seconds

_EMAIL = re.compile(r"[^\s:/@]+@[^\s:/@]+", re.ASCII)
_URI = re.compile(r"(mailto:[^\s:/@]+@[^\s:/@]+|https://\S+|tel:\+?[0-9-]+)", re.ASCII)


def contacts(values: list[str]) -> list[str]:
    """Returns the values of SECURITY_CONTACT as URIs; adds `mailto:` to email addresses.

    Raises ImproperlyConfigured if there are no values or RFC 9116 does not allow one.
    """
    uris = [f"mailto:{value}" if _EMAIL.fullmatch(value) else value for value in values]
    if not uris or not all(_URI.fullmatch(uri) for uri in uris):
        msg = (
            "SECURITY_CONTACT must be email addresses, or links that begin with https:// or tel:,"
            f" separated by commas; it is {','.join(values)!r}."
        )
        raise ImproperlyConfigured(msg)
    return uris


def policy(value: str) -> str:
    """Returns the value of SECURITY_POLICY_URL. Raises ImproperlyConfigured if it is not https://."""
    if not re.fullmatch(r"https://\S+", value, re.ASCII):
        msg = f"SECURITY_POLICY_URL must begin with https://; it is {value!r}."
        raise ImproperlyConfigured(msg)
    return value


@login_not_required
@require_safe
@conditional_page
@cache_control(public=True, max_age=MAX_AGE)
def security_txt(request: HttpRequest) -> HttpResponse:
    """Returns security.txt. No authentication; the text expires VALID_FOR after today."""
    # Rounded to whole days, so that the text and its ETag change only once a day.
    today = datetime.combine(timezone.now().astimezone(UTC), datetime.min.time(), UTC)
    lines = [
        *(f"Contact: {uri}" for uri in settings.SECURITY_CONTACT),
        f"Expires: {iso(today + VALID_FOR)}",
        f"Canonical: {settings.SECURITY_TXT_URL}",
        f"Policy: {settings.SECURITY_POLICY_URL}",
        "Preferred-Languages: en",
    ]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")
