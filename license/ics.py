"""The expiry of a license as a calendar file (RFC 5545). The portal and the panel share it."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from icalendar import Alarm, Calendar, Event

from license.claims import LicenseClaims

REMIND_BEFORE = timedelta(days=7)


def expiry_event(
    claims: LicenseClaims, *, ends_at: datetime, description: str, url: str, sequence: int
) -> bytes:
    """Return a calendar file with one event at `ends_at`, and a reminder one week before.

    The UID is the same for all licenses of an AWS account on the host of `url`, so that importing
    the file after a renewal moves the event and its reminder; `sequence` must rise then. The output
    is deterministic.
    """
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", "-//Threat Reaction//License//EN")
    summary = f"Threat Reaction: the {claims.plan.value} license expires"
    event = Event()
    event.add("uid", f"license-expiry-{claims.aws_account_id}@{urlsplit(url).netloc}")
    event.add("sequence", sequence)
    event.add("dtstamp", claims.issued_at)
    event.add("dtstart", ends_at)
    event.add("summary", summary)
    event.add("description", description)
    event.add("transp", "TRANSPARENT")  # does not block time in the calendar
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", summary)
    alarm.add("trigger", -REMIND_BEFORE)
    event.add_component(alarm)
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def consequence(account_id: str) -> str:
    """Return what the expiry means, for the description of the event."""
    return (
        f"After this time, the threat policy of AWS account {account_id} cannot be changed."
        " The saved policy stays in force."
    )
