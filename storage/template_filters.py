"""The template filters of every page. Settings list this module among the builtins."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from storage import instants

register = template.Library()


@register.filter
def instant(at: datetime | None, precision: str = "second") -> SafeString | str:
    """A <time> element; storage.instants.shown says what each precision shows. None: nothing."""
    if at is None:
        return ""
    return format_html(
        '<time datetime="{}">{}</time>', instants.iso(at), instants.shown(at, precision)
    )


@register.filter
def instant_text(at: datetime, precision: str = "second") -> str:
    """The same where no element can stand: in a mail, in an attribute."""
    return instants.shown(at, precision)
