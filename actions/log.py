"""The log of actions, newest first, with filters and paging."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from django.db.models import TextChoices
from django.utils import timezone
from pydantic import BaseModel, ConfigDict, Field

from actions import containment, search
from actions.models import CONTAINMENTS, Reaction, ReactionKind, ReactionQuerySet, State
from storage import filters
from storage.filters import Filter, Instant, Name
from storage.paging import CursorPager, Rows

PAGER = CursorPager(25)

_KINDS_SHOWN_NOW = {
    "blocked": ReactionKind.BLOCK,
    "revoked": ReactionKind.REVOKE,
    "isolated": ReactionKind.ISOLATE,
    "denied": ReactionKind.DENY,
}
_OF_FINDINGS = {"type": "finding_type", "account": "account_id"}
_SHOWN_NOW = (("", "All"), *((now, f"Currently {now}") for now in _KINDS_SHOWN_NOW))


class ActionSort(TextChoices):
    """The orders of the log."""

    OLDEST = "oldest", "Oldest first"


COLUMNS = {"decided": {"": "descending", ActionSort.OLDEST: "ascending"}}


class ActionQuery(BaseModel):
    """Filters for actions. An action must match all given filters."""

    model_config = ConfigDict(use_enum_values=True)

    q: Annotated[
        Name | None,
        Filter(label="Search", help_text="Target, finding, account, type or words", is_search=True),
    ] = Field(
        None,
        max_length=512,
        description="A target, the ID or ARN of a finding, an AWS account or a finding type. Other"
        " text is compared with the beginning of targets, and with the targets, reasons, outcomes"
        f" and finding types of the newest {search.NEWEST:,} actions.",
    )
    period: Annotated[filters.Period | None, Filter(label="Decided", empty="Any time")] = Field(
        None, description="Decided within this time before now."
    )
    now: Annotated[
        Literal["blocked", "revoked", "isolated", "denied"] | None,
        Filter(label="Show", choices=_SHOWN_NOW),
    ] = Field(None, description="Targets that are currently blocked, revoked, isolated or denied.")
    action: Annotated[ReactionKind | None, Filter("kind")] = None
    state: Annotated[State | None, Filter("state")] = None
    since: Annotated[Instant | None, Filter("decided_at__gte", "From (UTC)")] = Field(
        None, description="Decided at or after this time."
    )
    until: Annotated[Instant | None, Filter("decided_at__lt", "To (UTC)")] = Field(
        None, description="Decided before this time."
    )
    target: Annotated[Name | None, Filter("target", help_text="Address, key, role or instance")] = (
        Field(
            None,
            max_length=512,
            description="The target: an address, a domain, a credential or an instance.",
            examples=["198.51.100.7"],
        )
    )
    type: Annotated[Name | None, Filter(label="Finding type")] = Field(
        None, max_length=200, description="The finding type."
    )
    account: Annotated[Name | None, Filter(label="AWS account")] = Field(
        None, max_length=64, description="The AWS account."
    )
    sort: Annotated[ActionSort | None, Filter(empty="Newest first")] = Field(
        None, description="The order, if it is not newest first."
    )
    after: str | None = Field(
        None, pattern=f"^{PAGER.pattern}$", description="The value of `next` on the previous page."
    )


ActionFilter = filters.form_of(ActionQuery)


def listed(asked: Mapping[str, Any]) -> Rows[Reaction]:
    """Returns the actions that match the values of a valid ActionFilter, in the order asked for."""
    reactions = _as_shown(Reaction.objects.all())
    if period := asked.get("period"):
        since = timezone.now() - filters.Period(period).length
        reactions = reactions.filter(decided_at__gte=since)
    if now := asked.get("now"):
        reactions = current(reactions, at=timezone.now()).filter(kind=_KINDS_SHOWN_NOW[now])
    columns = {_OF_FINDINGS[name]: asked[name] for name in _OF_FINDINGS if name in asked}
    branches = filters.narrow(reactions, ActionQuery, asked).of_findings(**columns)
    if "q" in asked:
        branches = [part for one in branches for part in search.branches(asked["q"], one)]
    oldest_first = asked.get("sort") == ActionSort.OLDEST
    return Rows(_as_shown(Reaction.objects.all()), [branches], oldest_first=oldest_first)


def current(reactions: ReactionQuerySet, *, at: datetime) -> ReactionQuerySet:
    """Returns what is in force; where actions are carried out, without what was only a dry run.

    Where none is carried out, the dry runs show what would be in force.
    """
    found = reactions.in_force()
    return found.exclude(state=State.DRY_RUN) if containment.is_acting(at) else found


def _as_shown(reactions: ReactionQuerySet) -> ReactionQuerySet:
    return (
        reactions.select_related("finding")
        .defer("finding__raw", "finding__description")
        .prefetch_related("attempts")
    )


def undoable(shown: Iterable[Reaction]) -> set[int]:
    """Returns the primary keys of the actions that can be undone.

    They are in force and no dry runs, and their undo is not pending.
    """
    pks = [one.pk for one in shown if one.kind in CONTAINMENTS]
    return set(
        Reaction.objects.in_force().filter(pk__in=pks).undoable().values_list("pk", flat=True)
    )
