"""Response schemas of GET /actions, which OpenAPI documents.

The query parameters are in actions.log.ActionQuery.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from actions.models import ReactionKind, State


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
    finding_id: int = Field(description="`id` in GET /findings/events.")
    finding_type: str
    account_id: str
    why: str = Field(description="The policy setting or the user that required it.")
    state: State
    outcome: str = Field(description="The result. Empty while it is pending.")
    decided_at: datetime
    settled_at: datetime | None
    due_at: datetime | None = Field(description="Time of the next attempt. Null if none.")
    ends_at: datetime | None = Field(
        description="The end of a block. Null if it has none, and for other actions."
    )
    attempts: list[Tried]


class ActionList(BaseModel):
    """A page of actions, newest first."""

    actions: list[ActionTaken]
    next: str | None = Field(
        description="Send this as `after` to get the next page. Null on the last page."
    )
