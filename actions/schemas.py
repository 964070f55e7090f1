"""Schemas of /actions, which OpenAPI documents.

The query parameters are in actions.log.ActionQuery.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from actions import durations
from actions.by_hand import REASON_MAX_LENGTH, UNDO
from actions.models import CONTAINMENTS, WITH_AN_END, ReactionKind, State
from storage.filters import Name


class ActionRequest(BaseModel):
    """An action to request. It passes the same safeguards as the actions of the policy."""

    model_config = ConfigDict(
        extra="forbid",
        use_enum_values=True,
        json_schema_extra={
            "examples": [
                {
                    "action": "BLOCK",
                    "target_kind": "address",
                    "target": "198.51.100.7",
                    "reason": "Scans our login page",
                    "duration": "12h",
                }
            ]
        },
    )

    action: Literal[tuple(map(str, [*CONTAINMENTS, *UNDO]))] = Field(  # type: ignore[valid-type]
        description="What to do with the target, or what to undo."
    )
    target_kind: str = Field(max_length=16, examples=["address"], description="As in GET /actions.")
    target: Name = Field(max_length=512, examples=["198.51.100.7"])
    reason: Name = Field(max_length=REASON_MAX_LENGTH, description="For the log.")
    finding_id: int | None = Field(
        None,
        ge=1,
        le=2**63 - 1,
        description="The finding that it is about, which must name the target. Without it, REVOKE"
        " takes the newest finding that names the target. DENY needs it.",
    )
    duration: str | None = Field(
        None,
        pattern=f"^{durations.PATTERN}$",
        description=f"How long a BLOCK or DENY lasts: {durations.FORMAT}. Null for no end. If it"
        " is absent, BLOCK_FOR applies. A block in force is never shortened.",
    )

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if "duration" in self.model_fields_set and self.action not in WITH_AN_END:
            raise ValueError("Only a BLOCK or DENY has a duration.")
        if self.duration:
            try:
                durations.parse(self.duration)
            except ValueError:
                raise ValueError("The duration is longer than 10 years.") from None
        return self


class Approval(BaseModel):
    """The verdict on an action that waits for an approval."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"approved": True, "reason": "Confirmed in ticket 4711"}],
        },
    )

    approved: StrictBool = Field(description="False rejects the action.")
    reason: Name = Field(max_length=REASON_MAX_LENGTH, description="For the log.")


class Tried(BaseModel):
    """One attempt, and AWS's answer."""

    at: datetime
    succeeded: bool
    answer: str


class ActionTaken(BaseModel):
    """An action on a finding, carried out or pending."""

    model_config = ConfigDict(use_enum_values=True)

    id: int
    action: ReactionKind
    target_kind: str
    target: str = Field(description="Empty if the finding names no target.")
    finding_id: int | None = Field(
        description="`id` in GET /findings/events. Null if it was requested without a finding."
    )
    finding_type: str | None
    account_id: str | None
    why: str = Field(
        description="The policy setting that required it, or who requested it and why."
    )
    state: State
    outcome: str = Field(description="The result. Empty while it is pending.")
    decided_at: datetime
    settled_at: datetime | None
    due_at: datetime | None = Field(
        description="Time of the next attempt, or until when it waits for an approval. Null if"
        " neither."
    )
    ends_at: datetime | None = Field(
        description="The end of a block or denial. Null if it has none, and for other actions."
    )
    attempts: list[Tried]


class ActionList(BaseModel):
    """A page of actions, newest first."""

    actions: list[ActionTaken]
    next: str | None = Field(
        description="Send this as `after` to get the next page. Null on the last page."
    )
