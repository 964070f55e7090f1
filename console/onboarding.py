"""The steps from an installation to containment, which the dashboard lists until all are done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Q
from django.urls import reverse

from accounts import second_factor
from actions import containment
from findings.models import Finding, ThreatPolicy
from license.middleware import LicensedRequest

HIDDEN = "onboarding"  # the cookie that public/static/js/hide.js sets to "hidden"
# The permission that the administrators have. They can set the environment of the portal, too.
ADMINISTER = "license.add_license"


@dataclass(frozen=True, slots=True)
class Step:
    """A step, and the page where it is done or where its effect shows."""

    text: str
    hint: str
    url: str
    is_done: bool


def steps(request: LicensedRequest) -> list[Step]:
    """Returns the steps that the user may take; empty if all of them are done, or if hidden.

    Runs at most five queries.
    """
    if request.COOKIES.get(HIDDEN) == "hidden":
        return []
    found = list(_steps(request, cast(User, request.user)))
    return [] if all(step.is_done for step in found) else found


def _steps(request: LicensedRequest, user: User) -> Iterator[Step]:
    administers = user.has_perm(ADMINISTER)
    sets_policy = user.has_perm("findings.change_threatpolicy")
    if administers:
        yield Step(
            "Install a license",
            "Without a license, nothing can be changed.",
            reverse("license:page"),
            request.license_status.allows_writes,
        )
    if (administers or sets_policy) and not second_factor.is_from_single_sign_on(request):
        yield Step(
            "Set up your second factor",
            "Use an authenticator app, a passkey or a security key.",
            reverse("mfa_index"),
            second_factor.has_factor(user),
        )
    if user.has_perm("auth.add_user"):
        yield Step(
            "Add a second person",
            "Invite them with a role: viewers, operators or administrators.",
            reverse("people-invite"),
            _has_colleagues(user),
        )
    if administers:
        yield Step(
            "Let findings arrive",
            "Run manage.py processfindings, or import a file with manage.py importfindings.",
            reverse("findings:events"),
            Finding.objects.exists(),
        )
        yield Step(
            "Name the networks that are never blocked",
            "Set NEVER_BLOCK to the networks of your offices, partners and scanners.",
            reverse("api:get_actions"),
            bool(settings.NEVER_BLOCK),
        )
    if sets_policy:
        yield Step(
            "Set the threat policy",
            "Choose what happens when a finding of a given type arrives.",
            reverse("findings:threats"),
            ThreatPolicy.objects.exists(),
        )
    if administers:
        yield Step(
            "Turn containment on",
            "Look at the dry run on the Actions page first. Then set CONTAINMENT=on.",
            reverse("api:get_actions"),
            containment.is_on(),
        )


def _has_colleagues(user: User) -> bool:
    has_role = Q(is_superuser=True) | Q(groups__isnull=False)
    return User.objects.filter(has_role, is_active=True).exclude(pk=user.pk).exists()
