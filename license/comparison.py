"""Compares a pasted key with the license in force, for the License page."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from license.claims import LicenseClaims
from license.installation import InstallPreview
from storage.instants import human

NOTHING = "none"


class Row(NamedTuple):
    """A row of the comparison: a claim, its value in force, and its value in the pasted key."""

    name: str
    present: str
    offered: str


def outcome(preview: InstallPreview) -> tuple[str, str]:
    """Return a color ("red", "yellow", "green" or "") and a sentence on the effect of saving."""
    if preview.error:
        return "red", f"{preview.error} Saving it changes nothing."
    if preview.is_current:
        return "", "This key is already installed. Saving it again changes nothing."
    if preview.confirmation:
        return "yellow", f"{preview.confirmation} Select the check box to install it."
    validity = "The key is valid."
    if preview.installed:
        validity = "The key is valid and was installed before."
    if preview.queued and preview.claims:
        begins = human(preview.claims.not_before)
        return "green", f"{validity} It takes effect automatically on {begins}."
    effect = "It takes effect when you save it."
    if not preview.present.allows_writes:
        effect = "Saving it enables writes again."
    return "green", f"{validity} {effect}"


def rows(preview: InstallPreview) -> list[Row]:
    """Return the claims of the license in force next to those of the key.

    The list is empty for a key whose signature is not trusted.
    """
    if preview.claims is None:
        return []
    present = preview.present.claims if preview.present.allows_writes else None
    now = preview.present.now
    before = _said(present, now) if present else {}
    return [
        Row(name, before.get(name, NOTHING), value)
        for name, value in _said(preview.claims, now).items()
    ]


def _said(claims: LicenseClaims, now: datetime) -> dict[str, str]:
    return {
        "AWS account": claims.aws_account_id,
        "Plan": claims.plan.value.title(),
        "Customer": claims.customer or NOTHING,
        "Valid from": human(claims.not_before),
        "Expires": f"{human(claims.expires_at)}, {distance(claims.expires_at, now)}",
        "Revokes": ", ".join(claims.revokes) or NOTHING,
        "License ID": claims.jti,
    }


def distance(at: datetime, now: datetime) -> str:
    """Return the distance of `at` from `now` in whole days: "in 13 days", "1 day ago"."""
    days = abs(at - now) // timedelta(days=1)
    span = f"{days} day{'' if days == 1 else 's'}" if days else "less than a day"
    return f"in {span}" if at > now else f"{span} ago"
