"""Compares a pasted key with the license in force, in words for the License page."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from license.installation import InstallPreview
from license.token import LicenseClaims
from storage.instants import human

NOTHING = "none"


class Row(NamedTuple):
    """A line of the comparison: a claim, its value in force, and its value in the pasted key."""

    name: str
    present: str
    offered: str


def outcome(preview: InstallPreview) -> tuple[str, str]:
    """A color ("red", "yellow", "green" or ""), and a sentence on what saving the key does."""
    if preview.error:
        return "red", f"{preview.error} Saving it would change nothing."
    if preview.is_current:
        return "", "This key is installed already. Saving it again changes nothing."
    if preview.confirmation:
        return "yellow", f"{preview.confirmation} Tick the box to install it."
    validity = "The key is valid."
    if preview.installed:
        validity = "The key is valid and was installed before."
    if preview.queued and preview.claims:
        begins = human(preview.claims.not_before)
        return "green", f"{validity} It takes over by itself on {begins}."
    effect = "It takes effect when you save it."
    if not preview.present.allows_writes:
        effect = "Writes are on again when you save it."
    return "green", f"{validity} {effect}"


def rows(preview: InstallPreview) -> list[Row]:
    """The claims of the license in force beside those of the key. Empty for a key whose signature
    is not trusted."""
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
    """The time between `at` and `now` in whole days, rounded down: "in 13 days", "1 day ago"."""
    days = abs(at - now) // timedelta(days=1)
    span = f"{days} day{'' if days == 1 else 's'}" if days else "less than a day"
    return f"in {span}" if at > now else f"{span} ago"
