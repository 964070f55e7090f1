"""The claims of a license key. This module does not use Django."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Plan(StrEnum):
    """The plan of a license. Both plans enable the same features."""

    TRIAL = "trial"
    PAID = "paid"


@dataclass(frozen=True, slots=True)
class LicenseClaims:
    """The claims of a license key with a trusted signature.

    Datetimes are aware, in UTC, with a resolution of one second.
    """

    kid: str
    jti: str
    aws_account_id: str
    plan: Plan
    issued_at: datetime
    not_before: datetime
    expires_at: datetime  # the first instant at which the license has expired
    customer: str = ""
    revokes: tuple[str, ...] = ()

    def days_left(self, now: datetime) -> int:
        """The whole days from `now` until `exp`, rounded down; 0 on the last day and after it."""
        return max((self.expires_at - now).days, 0)
