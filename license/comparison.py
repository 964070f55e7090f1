"""What a pasted key would do, in words, beside what is in force."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from license.installation import Verdict
from license.token import LicenseClaims

NOTHING = "none"


class Row(NamedTuple):
    """A line of the comparison."""

    name: str
    present: str
    offered: str


def outcome(verdict: Verdict) -> tuple[str, str]:
    """A colour, and what saving the key does."""
    if verdict.error:
        return "red", f"{verdict.error} Saving it would change nothing."
    if verdict.already_installed:
        return "", "This key is installed already. Saving it again changes nothing."
    if verdict.confirmation:
        return "yellow", f"{verdict.confirmation} It takes a second yes."
    if verdict.queued and verdict.claims:
        begins = instant(verdict.claims.not_before)
        return "green", f"The key is good. It takes over by itself on {begins}."
    effect = "It takes effect when you save it."
    if not verdict.present.allows_writes:
        effect = "Writes are on again when you save it."
    return "green", f"The key is good. {effect}"


def rows(verdict: Verdict) -> list[Row]:
    """What is in force beside what the key says; nothing for a key that cannot be trusted."""
    if verdict.claims is None:
        return []
    present = verdict.present.claims if verdict.present.allows_writes else None
    now = verdict.present.now
    before = _said(present, now) if present else {}
    return [
        Row(name, before.get(name, NOTHING), value)
        for name, value in _said(verdict.claims, now).items()
    ]


def _said(claims: LicenseClaims, now: datetime) -> dict[str, str]:
    return {
        "AWS account": claims.aws_account_id,
        "Plan": claims.plan.value.title(),
        "Customer": claims.customer or NOTHING,
        "Valid from": instant(claims.not_before),
        "Expires": f"{instant(claims.expires_at)}, {distance(claims.expires_at, now)}",
        "Revokes": ", ".join(claims.revokes) or NOTHING,
        "License ID": claims.jti,
    }


def instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d at %H:%M:%S} UTC"


def distance(at: datetime, now: datetime) -> str:
    """Whole days, rounded down: "in 13 days", "1 day ago"."""
    days = abs(at - now) // timedelta(days=1)
    span = f"{days} day{'' if days == 1 else 's'}" if days else "less than a day"
    return f"in {span}" if at > now else f"{span} ago"
