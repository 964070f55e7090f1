"""Template filters, available in all templates through the setting `builtins`."""

from __future__ import annotations

import re
from datetime import datetime

from django import template
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from storage import capped, instants

register = template.Library()


@register.filter
def instant(at: datetime | None, precision: str = "second") -> SafeString | str:
    """Return a <time> element; "" for None. storage.instants.shown defines the precisions."""
    if at is None:
        return ""
    return format_html(
        '<time datetime="{}">{}</time>', instants.iso(at), instants.shown(at, precision)
    )


@register.filter
def instant_text(at: datetime, precision: str = "second") -> str:
    """Return the same text without an element, for emails and attributes."""
    return instants.shown(at, precision)


@register.filter(name="capped")
def capped_text(count: int) -> str:
    """Return a count of storage.capped, such as 10,000+."""
    return capped.text(count)


_CODE = re.compile(r"`([^`]+)`")


@register.filter
def with_code(text: str) -> SafeString:
    """Return the text as HTML, with what is between backticks as <code>."""
    return mark_safe(_CODE.sub(r"<code>\1</code>", escape(text)))  # noqa: S308  (escaped above)


_WITHIN_NAME = re.compile(r"(?<=[:/._-])(?=\w)|(?<=[a-z0-9])(?=[A-Z])")


@register.filter
def breakable(name: object) -> SafeString:
    """Return a name, such as a finding type or an ARN, that lines break between its words only."""
    parts = _WITHIN_NAME.split(str(name))
    return format_html_join(mark_safe("<wbr>"), "{}", ((part,) for part in parts))
