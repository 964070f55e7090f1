"""The response to a write that the license does not allow: a problem document or a page."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse

from license import refused_writes
from license.reasons import LicenseNotYetValid
from license.signals import write_refused
from license.status import LicenseStatus
from problems import catalog, responses
from storage.instants import iso

_SECRET = re.compile(r"csrf|passw|secret|token|key|code|credential", re.IGNORECASE)


def refuse(request: HttpRequest, license_status: LicenseStatus) -> HttpResponse:
    """Return a response with status 403: a page for browsers, else a problem document.

    The response to an unauthenticated caller contains no date, plan or account. Sends the signal
    `write_refused`.
    """
    write_refused.send(sender=None, request=request, code=license_status.code)
    headers = {"Link": f'<{reverse("license:page")}>; rel="help"', "Cache-Control": "no-store"}
    refused_writes.tally.count(request, license_status.code)
    if responses.wants_html(request):
        problem = catalog.find(license_status.code)
        typed = _typed(request) if request.user.is_authenticated else []
        context = {"typed": typed, "title": problem.title}
        page = render_to_string("license/refused.html", context, request)
        return HttpResponse(page, status=problem.status, headers=headers)
    members: dict[str, Any] = {}
    if request.user.is_authenticated:
        detail = f"Writes are disabled. {license_status.reason} {license_status.remedy}"
        if license_status.clock_note:
            detail += f" {license_status.clock_note}"
        if license_status.claims:
            members["expires_at"] = iso(license_status.claims.expires_at)
        if isinstance(license_status.error, LicenseNotYetValid) and license_status.claims:
            members["not_before"] = iso(license_status.claims.not_before)
    else:
        detail = "Writes are disabled. An administrator can install a license on the License page."
    return responses.respond(
        code=license_status.code,
        detail=detail,
        headers=headers,
        **members,
        license_url=responses.absolute(reverse("license:page")),
    )


def _typed(request: HttpRequest) -> list[tuple[str, str]]:
    """Return the fields of the refused form, except secrets, so that it can be sent again."""
    return [
        (name, value)
        for name, values in request.POST.lists()
        if not _SECRET.search(name)
        for value in values
    ]
