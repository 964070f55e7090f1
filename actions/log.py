"""The log of actions, newest first: what it can be narrowed to, and page by page."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django import forms

from actions.models import Reaction, ReactionKind, ReactionQuerySet, State
from findings.events import InstantField

PAGE = 25

CURSOR_PATTERN = "[0-9]{1,18}"
_CURSOR = re.compile(CURSOR_PATTERN)


class ActionFilter(forms.Form):
    """Everything is optional. The names are those of the address."""

    now = forms.ChoiceField(
        required=False,
        label="Show",
        choices=[("", "Everything"), ("blocked", "Blocked now"), ("revoked", "Revoked now")],
    )
    action = forms.ChoiceField(required=False, choices=[("", "Any"), *ReactionKind.choices])
    state = forms.ChoiceField(required=False, choices=[("", "Any"), *State.choices])
    since = InstantField(required=False, label="From (UTC)")
    until = InstantField(required=False, label="To (UTC)")
    target = forms.CharField(required=False, max_length=512, help_text="an address, a key, a role")
    type = forms.CharField(required=False, max_length=200, label="Finding type")
    account = forms.CharField(required=False, max_length=64, label="AWS account")

    def narrow(self, reactions: ReactionQuerySet) -> ReactionQuerySet:
        """What a valid filter leaves of them."""
        asked = {name: value for name, value in self.cleaned_data.items() if value}
        if now := asked.get("now"):
            kind = ReactionKind.BLOCK if now == "blocked" else ReactionKind.REVOKE
            reactions = reactions.in_force().filter(kind=kind)
        fields = {
            "action": "kind",
            "state": "state",
            "since": "decided_at__gte",
            "until": "decided_at__lt",
            "target": "target",
            "type": "finding__finding_type",
            "account": "finding__account_id",
        }
        return reactions.filter(
            **{field: asked[name] for name, field in fields.items() if name in asked}
        )


@dataclass(frozen=True, slots=True)
class ActionPage:
    reactions: list[Reaction]
    cursor: str  # of the next page; "" where there is none


def page(reactions: ReactionQuerySet, *, after: str = "") -> ActionPage:
    """The actions behind a cursor, which stays where it is however many are added meanwhile.
    Raises ValueError for a cursor that this module has not made."""
    if after:
        if not _CURSOR.fullmatch(after):
            msg = "This is no cursor of the log of actions."
            raise ValueError(msg)
        reactions = reactions.filter(pk__lt=int(after))
    rows = list(
        reactions.newest_first()
        .select_related("finding")
        .defer("finding__raw", "finding__description")
        .prefetch_related("attempts")[: PAGE + 1]
    )
    return ActionPage(rows[:PAGE], str(rows[PAGE - 1].pk) if len(rows) > PAGE else "")


def undoable(shown: ActionPage) -> set[int]:
    """The keys of those among them that block an address now, and that nobody is unblocking."""
    pks = [one.pk for one in shown.reactions if one.kind == ReactionKind.BLOCK]
    standing = Reaction.objects.in_force().filter(pk__in=pks)
    return {one.pk for one in standing if not one.is_being_undone}
