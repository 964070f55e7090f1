"""Plans a change of the policy: what it would change, and what it would have done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from findings import policy
from findings.models import Target, ThreatPolicy
from findings.policy import Change, Policy, Setting
from findings.preview import Preview, preview
from findings.schemas import PolicyUpdate


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change would do. Nothing is changed."""

    changes: list[Change]
    unchanged: int  # number of settings that already have this action
    not_in_catalogue: list[str]
    etag: str  # of the policy that it was planned for
    preview: Preview

    def lines(self) -> Iterator[str]:
        """Yields the plan as text, without the ETag."""
        if not self.changes:
            yield "Nothing would change."
            return
        count = len(self.changes)
        yield f"{count:,} rule{'' if count == 1 else 's'} would change:"
        for change in self.changes:
            yield f"  {as_text(change)}"
        if self.not_in_catalogue:
            yield f"Not in the catalog: {', '.join(self.not_in_catalogue)}."
        yield self.preview.heading
        for sentence in self.preview.sentences():
            yield f"  {sentence}"
        if self.preview.is_partial:
            yield "  Findings that were ignored on arrival were not stored and are not counted."
        addresses = self.preview.addresses
        if addresses.named:
            named = ", ".join(addresses.named)
            more = f" and {addresses.others}" if addresses.others else ""
            yield f"  Addresses that would have been blocked: {named}{more}."


def as_text(change: Change) -> str:
    """Returns a change as one line: "+" for a new rule, "-" for a removed one, "~" for another."""
    target, before, after = change
    name = policy.name_of(target)
    if not before:
        return f"+ {name}: {after}"
    return f"~ {name}: {before} -> {after}" if after else f"- {name}: {before}"


def plan(update: PolicyUpdate, *, at: datetime) -> Plan:
    """Plans an update of the saved policy."""
    saved = ThreatPolicy.objects.actions()
    settings = asked(update, saved)
    changes = policy.changes(saved, settings)
    return Plan(
        changes=changes,
        unchanged=len(settings) - len(changes),
        not_in_catalogue=policy.not_in_catalogue(settings),
        etag=policy.etag(saved),
        preview=preview(settings, at=at, before=saved),
    )


def asked(update: PolicyUpdate, saved: Policy) -> list[Setting]:
    """Returns the settings of an update, with the removals if it replaces the policy."""
    settings = update.settings()
    return policy.whole(saved, settings) if update.replace else settings


def why(applies: Target | None) -> str:
    """Returns why an action applies, as a sentence."""
    if applies is None:
        return "No rule applies, and the default is REPORT."
    return f"The rule for {policy.name_of(applies)} is the most specific one."
