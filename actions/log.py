"""The log of actions, newest first: what it can be narrowed to, and page by page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from django.db.models import QuerySet
from pydantic import BaseModel, ConfigDict, Field

from actions.models import Reaction, ReactionKind, State
from storage import filters
from storage.filters import Filter, Instant, Name
from storage.paging import CursorPager

PAGER = CursorPager(25)

_SHOWN_NOW = (("", "Everything"), ("blocked", "Blocked now"), ("revoked", "Revoked now"))


class ActionQuery(BaseModel):
    """Which actions to list; all of those given have to hold."""

    model_config = ConfigDict(use_enum_values=True)

    now: Annotated[
        Literal["blocked", "revoked"] | None, Filter(label="Show", choices=_SHOWN_NOW)
    ] = Field(None, description="What is blocked, or revoked, at this moment.")
    action: Annotated[ReactionKind | None, Filter("kind")] = None
    state: Annotated[State | None, Filter("state")] = None
    since: Annotated[Instant | None, Filter("decided_at__gte", "From (UTC)")] = Field(
        None, description="Decided at this instant, or after it."
    )
    until: Annotated[Instant | None, Filter("decided_at__lt", "To (UTC)")] = Field(
        None, description="Decided before this instant."
    )
    target: Annotated[Name | None, Filter("target", help_text="an address, a key, a role")] = Field(
        None,
        max_length=512,
        description="An address, an access key, a role.",
        examples=["198.51.100.7"],
    )
    type: Annotated[Name | None, Filter("finding__finding_type", "Finding type")] = Field(
        None, max_length=200, description="The finding type."
    )
    account: Annotated[Name | None, Filter("finding__account_id", "AWS account")] = Field(
        None, max_length=64, description="The AWS account."
    )
    after: str | None = Field(
        None, pattern=f"^{PAGER.pattern}$", description="`next` of the page before."
    )


ActionFilter = filters.form_of(ActionQuery)


def listed(asked: Mapping[str, Any]) -> QuerySet[Reaction]:
    """The actions that fit what a valid ActionFilter asks, with all that the log shows of them."""
    reactions = Reaction.objects.all()
    if now := asked.get("now"):
        kind = ReactionKind.BLOCK if now == "blocked" else ReactionKind.REVOKE
        reactions = reactions.in_force().filter(kind=kind)
    return (
        filters.narrow(reactions, ActionQuery, asked)
        .select_related("finding")
        .defer("finding__raw", "finding__description")
        .prefetch_related("attempts")
    )


def undoable(shown: Iterable[Reaction]) -> set[int]:
    """The keys of those among them that block an address now, and that nobody is unblocking."""
    pks = [one.pk for one in shown if one.kind == ReactionKind.BLOCK]
    standing = Reaction.objects.in_force().filter(pk__in=pks)
    return {one.pk for one in standing if not one.is_being_undone}
