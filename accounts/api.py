"""GET /security-events. The errors are told in threatreaction/api.py."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from accounts.api_auth import callers_who
from accounts.models import EventKind, SecurityEvent
from accounts.security_log import as_json
from problems.schemas import Problem
from storage.paging import CursorPager

router = Router(tags=["Security"])

PAGER = CursorPager(100)


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        msg = "There is no such date in UTC."
        raise ValueError(msg) from None


Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Name = Annotated[str, Field(min_length=1, pattern=r"^[^\x00]*$")]  # PostgreSQL stores no NUL


class SecurityEventQuery(BaseModel):
    """Which events to list; all of what is given has to hold."""

    model_config = ConfigDict(use_enum_values=True)

    event: EventKind | None = None
    user: Name | None = Field(None, max_length=150, description="The person whom it is about.")
    client_id: Name | None = Field(None, max_length=100)
    since: Instant | None = Field(None, description="At this instant, or after it.")
    until: Instant | None = Field(None, description="Before this instant.")
    after: int | None = Field(
        None, ge=1, lt=2**63, description="`next` of the page before."
    )  # fmt: skip


class SecurityEventShown(BaseModel):
    """Who did what, from where, and with what. Text that is empty is unknown."""

    model_config = ConfigDict(use_enum_values=True)

    id: int
    at: datetime
    event: EventKind
    user: str = Field(description="The person whom it is about.")
    client_id: str = Field(description="The API client that it is about.")
    by: str = Field(description="The person who was signed in and did it.")
    address: str = Field(description="Empty: a command of the shell.")
    user_agent: str
    method: str
    detail: str


class SecurityEventList(BaseModel):
    """The events, newest first, a page at a time."""

    events: list[SecurityEventShown]
    next: int | None = Field(
        description="Send it as `after` for the next page. Null: there is none."
    )


@router.get(
    "/security-events",
    auth=callers_who(permission="accounts.view_securityevent", scope="security:read"),
    response={200: SecurityEventList, frozenset({401, 403, 422, 500}): Problem},
    operation_id="getSecurityEvents",
    summary="Read the security log",
    openapi_extra={
        "security": [{"session": []}, {"client": ["security:read"]}],
        "responses": {200: {"description": "A page of the security log."}},
    },
)
def get_security_events(
    request: HttpRequest, response: HttpResponse, wanted: Query[SecurityEventQuery]
) -> dict[str, Any]:
    """Lists the events, newest first, 100 a page, as the page of the security log does."""
    events = SecurityEvent.objects.all()
    if wanted.event:
        events = events.filter(kind=wanted.event)
    if wanted.user:
        events = events.filter(user_name=wanted.user)
    if wanted.client_id:
        events = events.filter(client_id=wanted.client_id)
    if wanted.since:
        events = events.filter(at__gte=wanted.since)
    if wanted.until:
        events = events.filter(at__lt=wanted.until)
    # No row has a key of more digits than a cursor.
    after = str(min(wanted.after, 10**18 - 1)) if wanted.after else ""
    page = PAGER.page(events, after=after)
    response["Cache-Control"] = "private, no-cache"
    return {
        "events": [{"id": row.pk, **as_json(row)} for row in page.rows],
        "next": int(page.next) if page.next else None,
    }
