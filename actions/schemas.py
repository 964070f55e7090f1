"""The shapes that GET /actions takes and gives: they are the validation and the document.

What a filter means is ActionFilter's to say, for the page and for the API alike.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from actions.log import CURSOR_PATTERN
from actions.models import ReactionKind, State
from findings.event_schemas import Instant, Name


class ActionQuery(BaseModel):
    """Which actions to list; all of those given have to hold."""

    model_config = ConfigDict(use_enum_values=True)

    now: Literal["blocked", "revoked"] | None = Field(
        None, description="What is blocked, or revoked, at this moment."
    )
    action: ReactionKind | None = None
    state: State | None = None
    since: Instant | None = Field(None, description="Decided at this instant, or after it.")
    until: Instant | None = Field(None, description="Decided before this instant.")
    target: Name | None = Field(
        None, max_length=512, description="An address, an access key, a role.",
        examples=["198.51.100.7"],
    )  # fmt: skip
    type: Name | None = Field(None, max_length=200, description="The finding type.")
    account: Name | None = Field(None, max_length=64, description="The AWS account.")
    after: str | None = Field(
        None, pattern=f"^{CURSOR_PATTERN}$", description="`next` of the page before."
    )


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
