"""The shapes that GET /findings/events gives: they are the validation and the document.

What it takes is EventQuery of findings.events.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from findings.catalogue import Severity
from findings.models import Action


class Event(BaseModel):
    """What was found. Text that is empty was not said."""

    model_config = ConfigDict(use_enum_values=True)

    id: int
    account_id: str
    region: str
    finding_id: str = Field(description="GuardDuty's.")
    finding_type: str
    severity: Severity | None = Field(description="Null: not said.")
    score: float | None = Field(description="GuardDuty's number, 1.0 to 10.0; null: not said.")
    title: str
    description: str
    count: int = Field(description="How often it was seen.")
    first_seen_at: datetime | None
    seen_at: datetime = Field(
        description="When it was last seen; when it arrived, where it does not say."
    )
    received_at: datetime
    action: Action = Field(description="What the policy said when it arrived.")
    set_at: str = Field(description="Which setting said so. Empty: nothing was set.")
    problem: str = Field(description="Why it could not be understood. Empty: it was.")
    url: str = Field(description="Its page in this portal.")


class EventList(BaseModel):
    """The findings, newest first, a page at a time."""

    findings: list[Event]
    next: str | None = Field(
        description="Send it as `after` for the next page. Null: there is none."
    )
