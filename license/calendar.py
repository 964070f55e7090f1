"""The license expiry as a calendar file (RFC 5545)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from icalendar import Alarm, Calendar, Event

from license.token import ISSUER, LicenseClaims

if TYPE_CHECKING:
    from license.status import LicenseStatus

REMIND_BEFORE = timedelta(days=7)


def ending(status: LicenseStatus) -> list[LicenseClaims]:
    """Return the licenses that expire without an installed renewal.

    These are the license in force, the queued renewal, both or neither.
    """
    in_force = status.claims if status.allows_writes and not status.renewal_takes_over else None
    return [claims for claims in (in_force, status.queued) if claims]


def as_ics(licenses: list[LicenseClaims], *, renew_at: str) -> bytes:
    """Return a calendar file with an event for the expiry of each license.

    Each event has a reminder one week before. `renew_at` is the URL in the event's description. The
    output is deterministic, so importing the file again does not duplicate events.
    """
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", "-//Threat Reaction//License//EN")
    for claims in licenses:
        calendar.add_component(_event(claims, renew_at))
    return bytes(calendar.to_ical())


def _event(claims: LicenseClaims, renew_at: str) -> Event:
    summary = f"Threat Reaction: the {claims.plan.value} license expires"
    event = Event()
    event.add("uid", f"{claims.jti}@{ISSUER}")
    event.add("dtstamp", claims.issued_at)
    event.add("dtstart", claims.expires_at)
    event.add("summary", summary)
    event.add(
        "description",
        f"After this time, the threat policy of AWS account {claims.aws_account_id} cannot be"
        f" changed. The saved policy stays in force. Renew the license: {renew_at}",
    )
    event.add("transp", "TRANSPARENT")  # does not block time in the calendar
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", summary)
    alarm.add("trigger", -REMIND_BEFORE)
    event.add_component(alarm)
    return event
