"""The shapes that GET /findings/events takes and gives: they are the validation and the document.

What a filter means is EventFilter's to say, for the page and for the API alike.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from findings.catalogue import Severity
from findings.events import CURSOR_PATTERN
from findings.models import Action


def _not_blank(text: str) -> str:
    """EventFilter takes blank text for none, which would list everything."""
    if not text.strip():
        raise ValueError("It is blank. Leave it out instead.")
    return text


Instant = Annotated[
    str,
    AfterValidator(_not_blank),
    Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-23T12:00:00Z"]),
]
Name = Annotated[
    str,
    AfterValidator(_not_blank),
    Field(min_length=1, json_schema_extra={"pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"}),
]


class EventQuery(BaseModel):
    """Which findings to list; all of those given have to hold."""

    model_config = ConfigDict(use_enum_values=True)

    since: Instant | None = Field(None, description="Last seen at this instant, or after it.")
    until: Instant | None = Field(None, description="Last seen before this instant.")
    severity: Severity | None = None
    action: Action | None = Field(None, description="What the policy said when it arrived.")
    type: Name | None = Field(None, max_length=200, description="The finding type.")
    account: Name | None = Field(None, max_length=64, description="The AWS account.")
    entity: Name | None = Field(
        None,
        max_length=512,
        description="An address, an id or a name that the finding names.",
        examples=["198.51.100.7"],
    )
    after: str | None = Field(
        None, pattern=f"^{CURSOR_PATTERN}$", description="`next` of the page before."
    )


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
