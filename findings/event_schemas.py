"""Schemas of GET and PATCH /findings/events, which validate and document them.

The query parameters are in findings.events.EventQuery.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from findings.catalogue import Severity
from findings.models import Action, Status
from findings.triage import MAX_FINDINGS, NOTE_MAX_LENGTH


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
    status: Status = Field(
        description="The status of the triage; true_positive, false_positive and benign are closed."
    )
    assignee: str | None = Field(
        description="The name of the user to whom it is assigned. Null for nobody."
    )
    closed_at: datetime | None = Field(description="Null while it is open.")
    url: str = Field(description="The page of the finding in this portal.")


class EventList(BaseModel):
    """A page of findings, newest first."""

    findings: list[Event]
    next: str | None = Field(
        description="Send this as `after` to get the next page. Null on the last page."
    )


def _number(value: object) -> object:
    """Reject text and booleans. Not `strict`, which refuses 1.0, an integer in JSON Schema."""
    if isinstance(value, str | bool):
        raise ValueError("It must be an integer.")
    return value


class TriageUpdate(BaseModel):
    """A change of the triage of findings. A member that is absent or null keeps what is there."""

    model_config = ConfigDict(
        extra="forbid",
        use_enum_values=True,
        json_schema_extra={
            "examples": [{"ids": [51, 52], "status": "false_positive", "note": "Our own scanner."}]
        },
    )

    ids: Annotated[
        list[Annotated[int, Field(ge=1, lt=2**63), BeforeValidator(_number)]],
        Field(max_length=MAX_FINDINGS),
    ] = Field(description="The `id` of each finding.")
    status: Status | None = Field(None, description="The new status.")
    assignee: Annotated[str, Field(max_length=150)] | None = Field(
        None,
        description="The name of the user to assign; empty for nobody. Users who may triage can be"
        " assigned: operators and administrators.",
    )
    note: str = Field(
        "",
        max_length=NOTE_MAX_LENGTH,
        description="A note for the log.",
        json_schema_extra={"pattern": r"^[^\u0000]*$"},
    )


class TriageUpdated(BaseModel):
    """The result of a change of the triage."""

    changed: list[int] = Field(description="The findings that changed, each with a log entry.")
    unchanged: int = Field(description="How many already had that status and assignee.")
    unknown: list[int] = Field(description="The findings that do not exist.")
