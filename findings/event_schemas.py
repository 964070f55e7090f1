"""Response schemas of GET /findings/events, which OpenAPI documents.

The query parameters are in findings.events.EventQuery.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from findings.catalogue import Severity
from findings.models import Action


class Event(BaseModel):
    """A finding. Empty text means that the finding does not include the value."""

    model_config = ConfigDict(use_enum_values=True)

    id: int
    account_id: str
    region: str
    finding_id: str = Field(description="The GuardDuty finding ID.")
    finding_type: str
    tactic: str = Field(
        description="The ATT&CK tactic that the finding type names. Empty if it names none."
    )
    severity: Severity | None = Field(description="Null if unknown.")
    score: float | None = Field(
        description="GuardDuty's numeric severity, 1.0 to 10.0. Null if unknown."
    )
    title: str
    description: str
    count: int = Field(description="How many times GuardDuty observed it.")
    first_seen_at: datetime | None
    seen_at: datetime = Field(
        description="When it was last seen, or when it arrived if the finding does not include it."
    )
    received_at: datetime
    action: Action = Field(description="The policy action when it arrived.")
    set_at: str = Field(description="The setting that applied. Empty if the default applied.")
    problem: str = Field(description="Why it could not be parsed. Empty if it was parsed.")
    url: str = Field(description="The page of the finding in this portal.")


class EventList(BaseModel):
    """A page of findings, newest first."""

    findings: list[Event]
    next: str | None = Field(
        description="Send this as `after` to get the next page. Null on the last page."
    )
