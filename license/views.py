"""The License page. It works in every license status, so that a key can be installed."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.module_loading import import_string
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.middleware import HtmxDetails

from license import comparison, installation, validation
from license.calendar import as_ics, ending, sequence
from license.comparison import distance
from license.forms import ChallengeForm, LicenseForm, shown_again
from license.installation import ConfirmationNeeded, InstallPreview
from license.keyring import KeyringError
from license.middleware import LicensedRequest
from license.models import License
from license.panel_links import offers_trial, panel_links
from license.reasons import LicenseError
from license.validation import InstalledKey


class PageRequest(LicensedRequest):
    """A request with django-htmx's attribute `htmx`."""

    htmx: HtmxDetails


class Entry(NamedTuple):
    """A row of the key history.

    Plan and expiry come from the key if its signature is trusted, else from the copies in the row.
    `color` is "" or a status color.
    """

    row: License
    plan: str
    expires_at: datetime
    state: str
    color: str


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache  # the response contains the rejected key
@sensitive_post_parameters("key")
@sensitive_variables()
def page(request: LicensedRequest) -> HttpResponse:
    """Show the page. POST installs a key and redirects, or shows the page with errors."""
    if request.method != "POST":
        return _page(request, LicenseForm())
    if not request.user.has_perm("license.add_license"):
        raise PermissionDenied
    form = LicenseForm(request.POST)
    if not form.is_valid():
        return _page(request, form, form.preview)  # with the submitted values
    try:
        done = form.install(by=cast(User, request.user), source=License.Source.PAGE)
    except (LicenseError, ConfirmationNeeded) as refused:  # another key was installed meanwhile
        form.add_error("key", f"{refused} Nothing was changed.")
        return _page(request, form, form.preview)
    messages.success(request, done)
    return redirect("license:page")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@permission_required("license.add_license", raise_exception=True)
@sensitive_post_parameters("key")
@sensitive_variables()
def preview(request: PageRequest) -> HttpResponse:
    """Return the claims of a key next to those in force.

    The response is a fragment for htmx, else the whole page with the key in the form. GET, as after
    a sign-in in between, redirects to the License page.
    """
    if request.method != "POST":
        return redirect("license:page")
    key = request.POST.get("key", "")
    preview = installation.preview(key, timezone.now()) if key.strip() else None
    if request.htmx:
        return render(request, "license/_preview.html", _compared(preview))
    return _page(request, LicenseForm(initial={"key": shown_again(key)}), preview)


@require_safe  # it signs and changes nothing, so it needs no license
@never_cache
@permission_required("license.add_license", raise_exception=True)
@sensitive_variables()
def account_proof(request: LicensedRequest) -> HttpResponse:
    """Show a proof for the panel that this portal runs in its AWS account."""
    form = ChallengeForm(request.GET or None)
    proof = None
    if form.is_valid():
        sign = import_string(settings.LICENSE_ACCOUNT_PROVER)
        proof = sign(form.cleaned_data["challenge"])
        if proof is None:
            form.add_error(
                None,
                "This portal has no AWS credentials, so it cannot sign. Run the command that the"
                " panel shows instead, for example in AWS CloudShell.",
            )
    return render(request, "license/account_proof.html", {"form": form, "proof": proof})


@require_safe
@permission_required("license.view_license", raise_exception=True)
def calendar(request: LicensedRequest) -> HttpResponse:
    """Return the license expiry as a calendar file. Raises Http404 if no license expires."""
    found = request.license_status
    if not ending(found):
        raise Http404("There is no license expiry to export.")
    return HttpResponse(
        as_ics(found, renew_at=f"{settings.PORTAL_URL}/license", sequence=sequence(found)),
        content_type="text/calendar; charset=utf-8",
        headers={
            "Content-Disposition": 'attachment; filename="threat-reaction-license.ics"',
            "Cache-Control": "no-store",
        },
    )


@sensitive_variables()
def _page(
    request: LicensedRequest, form: LicenseForm, preview: InstallPreview | None = None
) -> HttpResponse:
    found = request.license_status
    context: dict[str, Any] = {"form": form, **_compared(preview)}
    if request.user.has_perm("license.view_license"):
        context |= {
            "history": _history(found.now),
            "keys": _trusted_keys(),
            "panel_links": panel_links(found),
            "offers_trial": offers_trial(found),
            "expires": distance(found.claims.expires_at, found.now) if found.claims else "",
            "has_calendar": bool(ending(found)),
        }
    return render(request, "license/page.html", context)


def _compared(preview: InstallPreview | None) -> dict[str, Any]:
    if preview is None:
        return {}
    color, outcome = comparison.outcome(preview)
    return {
        "preview": preview,
        "color": color,
        "outcome": outcome,
        "rows": comparison.rows(preview),
    }


def _trusted_keys() -> list[str]:
    """Return the thumbprints of the public keys; empty if their file is not usable."""
    try:
        return list(validation.load_keyring())
    except KeyringError:
        return []


def _history(at: datetime) -> list[Entry]:
    history, _ = validation.history(at)
    in_force = next((row for row, (_, error) in history if error is None), None)
    return [_entry(entry, is_in_force=entry.row is in_force) for entry in history]


def _entry(entry: InstalledKey, *, is_in_force: bool) -> Entry:
    row, (claims, error) = entry
    if error:
        state, color = error.state, error.color
    else:
        state, color = ("In force", "green") if is_in_force else ("Replaced", "")
    if claims:
        return Entry(row, claims.plan.value, claims.expires_at, state, color)
    return Entry(row, row.plan_untrusted, row.expires_at_untrusted, state, color)
