"""The shapes that GET /actions gives: they are the validation and the document.

What it takes is ActionQuery of actions.log.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from actions.models import ReactionKind, State


class Tried(BaseModel):
    """One try, and what AWS answered."""

    at: datetime
    succeeded: bool
    answer: str


class ActionTaken(BaseModel):
    """What was done, or is to be done, about a finding."""

    model_config = ConfigDict(use_enum_values=True)

    id: int
    action: ReactionKind
    target_kind: str
    target: str = Field(description="Empty: the finding names nothing that could be acted on.")
    finding_id: int = Field(description="`id` in GET /findings/events.")
    finding_type: str
    account_id: str
    why: str = Field(description="What the policy said, or who asked for it.")
    state: State
    outcome: str = Field(description="What came of it. Empty while it is pending.")
    decided_at: datetime
    settled_at: datetime | None
    due_at: datetime | None = Field(description="When it is tried next. Null: never.")
    attempts: list[Tried]


class ActionList(BaseModel):
    """The actions, newest first, a page at a time."""

    actions: list[ActionTaken]
    next: str | None = Field(
        description="Send it as `after` for the next page. Null: there is none."
    )
