"""Explains which action applies to a finding, why, and what the portal would do now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from actions import decisions
from actions.wishes import Rules
from findings import plan, policy
from findings.guardduty.parser import Unparsed
from findings.ingest import judged
from findings.models import Action
from findings.policy import Policy


def explain(
    finding: Mapping[str, Any] | Unparsed, settings: Policy, *, rules: Rules, at: datetime
) -> Iterator[str]:
    """Yields the lines of the explanation of a finding that would arrive now. Stores nothing."""
    new = judged(finding, settings, at)
    row = new.finding
    if new.parsed is None:
        yield f"It cannot be parsed: {row.problem} It would be stored, and reported."
        return
    where = [row.finding_type, row.severity or "no severity", row.account_id, row.region]
    yield ", ".join(filter(None, where))
    about = {"finding_type": row.finding_type, "severity": row.severity}
    applies = policy.resolve(settings, **about)
    yield f"{applies.action} applies. {plan.why(applies.set_at)}"
    for rule in policy.rules(settings, **about):
        mark = "->" if rule.target == applies.set_at else "  "
        yield f"  {mark} {policy.name_of(rule.target)}: {rule.action or 'not set'}"
    yield f"  {'  ' if applies.set_at else '->'} the default: REPORT"
    action = Action(applies.action)
    if action == Action.IGNORE:
        yield "It would not be stored."
        return
    if action.asks:
        yield "Ask first: a person must approve each containment."
    if action.simulates:
        yield "The rule simulates: the actions are logged, and not carried out."
    found = list(decisions.would(new, rules=rules))
    yield "The portal would act:" if found else "The portal would only report it."
    for wish, state, outcome in found:
        target = wish.target or "nothing"
        yield f"  {wish.kind} {target} ({wish.target_kind}): {state.value}. {outcome}".rstrip()
