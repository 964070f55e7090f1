"""The license expiry as a calendar file (RFC 5545)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from license.ics import consequence, expiry_event
from license.models import License, SeenRevocations
from storage.instants import human

if TYPE_CHECKING:
    from license.status import LicenseStatus


def ending(status: LicenseStatus) -> datetime | None:
    """Return when writes stop: at the expiry of the license in force, or of the queued renewal.

    A renewal that follows without a gap counts. None if no license expires.
    """
    if status.allows_writes:
        return status.writes_until
    return status.queued.expires_at if status.queued else None


def sequence(status: LicenseStatus) -> int:
    """Return a number that rises whenever the event changes. Runs two queries."""
    stored = License.objects.count() + SeenRevocations.objects.count()  # both only grow
    # Without a new key, the event changes only when a license expires before its renewal begins.
    return 2 * stored + (not status.allows_writes)


def as_ics(status: LicenseStatus, *, renew_at: str, sequence: int) -> bytes:
    """Return a calendar file with one event, when writes stop, and a reminder one week before.

    `renew_at` is the URL of the License page. The UID is the same for all licenses of a portal, so
    that importing the file after a renewal moves the event and its reminder. The output for a state
    of the license is deterministic. Raises ValueError if no license expires.
    """
    ends_at = ending(status)
    claims = status.claims if status.allows_writes else status.queued
    if ends_at is None or claims is None:
        msg = "No license expires."
        raise ValueError(msg)
    return expiry_event(
        claims,
        ends_at=ends_at,
        description=_description(status, claims.aws_account_id, renew_at),
        url=renew_at,
        sequence=sequence,
    )


def _description(status: LicenseStatus, account_id: str, renew_at: str) -> str:
    means = consequence(account_id)
    queued = status.queued
    if status.allows_writes and queued and not status.renewal_takes_over:
        return (
            f"{means} The installed renewal begins on {human(queued.not_before)}. Then add its"
            f" expiry to the calendar: {renew_at}"
        )
    return f"{means} Renew the license: {renew_at} Then add the new expiry to the calendar."
