from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def mail(request: HttpRequest) -> dict[str, bool]:
    """Tells templates whether the portal can send mail."""
    return {"mail_is_set_up": settings.MAIL_IS_SET_UP}
