"""GET /security-events. See threatreaction/api.py for error responses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from accounts.api_auth import callers_who
from accounts.models import EventKind, SecurityEvent
from accounts.security_log import as_json
from problems.parameters import refuse_unknown
from problems.schemas import Problem
from storage.paging import CursorPager

router = Router(tags=["Security"])

PAGER = CursorPager(100)


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        msg = "The date is out of range in UTC."
        raise ValueError(msg) from None


Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Name = Annotated[str, Field(min_length=1, pattern=r"^[^\x00]*$")]  # PostgreSQL stores no NUL


class SecurityEventQuery(BaseModel):
    """Filters for security events. An event must match all of them."""

    model_config = ConfigDict(use_enum_values=True)

    event: EventKind | None = None
    user: Name | None = Field(None, max_length=150, description="The user the event is about.")
    client_id: Name | None = Field(None, max_length=100)
    since: Instant | None = Field(None, description="At or after this time.")
    until: Instant | None = Field(None, description="Before this time.")
    after: int | None = Field(
        None, ge=1, lt=2**63, description="The `next` of the previous page."
    )  # fmt: skip


class SecurityEventShown(BaseModel):
    """A security event. Empty text means unknown."""

    model_config = ConfigDict(use_enum_values=True)

    id: int
    at: datetime
    event: EventKind
    user: str = Field(description="The user the event is about.")
    client_id: str = Field(description="The API client the event is about.")
    by: str = Field(description="The signed-in user who caused the event.")
    address: str = Field(description="The client's IP address. Empty for a command.")
    user_agent: str
    method: str
    detail: str


class SecurityEventList(BaseModel):
    """A page of security events, newest first."""

    events: list[SecurityEventShown]
    next: int | None = Field(
        description="Pass it as `after` to get the next page. Null on the last page."
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
    """Lists security events, newest first, up to 100 per page."""
    refuse_unknown(request, SecurityEventQuery)
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
