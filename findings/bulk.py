"""The form of the selected events on the Events page, to which each app adds its part.

A part is a template with the fields and the button of one thing to do with the selected events. The
button has a `formaction`; its view reads `selected(request)`, shows `events_page` again if it
refuses the form, and else redirects to `back_to_list(request)`. Names of fields must differ between
parts, which share one form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.urls import reverse

from findings import triage
from findings.triage_forms import ManyForm


@dataclass(frozen=True, slots=True)
class Part:
    """One thing to do with the selected events, for users with a permission."""

    template: str
    permission: str
    context: Callable[[HttpRequest], Mapping[str, Any]]  # such as its empty form


_parts: list[Part] = []


def register(part: Part) -> None:
    """Adds a part. The parts are shown in the order of registration."""
    _parts.append(part)


def parts_for(user: User | AnonymousUser) -> list[Part]:
    """Returns the parts that the user may use. Without any, the list has no checkboxes."""
    return [part for part in _parts if user.has_perm(part.permission)]


def selected(request: HttpRequest) -> set[int]:
    """Returns the primary keys of the selected events, at most triage.MAX_FINDINGS.

    Ignores what is not a primary key.
    """
    return primary_keys(request.POST.getlist("finding")[: triage.MAX_FINDINGS])


def primary_keys(texts: Iterable[str]) -> set[int]:
    """Returns the primary keys among these texts."""
    return {int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 19}


def back_to_list(request: HttpRequest) -> str:
    """Returns the URL of the Events page with the filter and the page of this request."""
    query = request.GET.urlencode()
    return reverse("findings:events") + (f"?{query}" if query else "")


register(
    Part(
        "findings/_triage_many.html",
        "findings.triage_finding",
        lambda request: {"triage_form": ManyForm()},
    )
)
