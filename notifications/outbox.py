"""Puts what a rule tells into the outbox, in the transaction in which it happens.

So whatever is committed is told, and nothing else is. Runs one query a batch if no rule matches.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.utils import timezone

from actions.models import Reaction, ReactionKind, Trip
from actions.models import State as ActionState
from findings.guardduty.parser import ParsedFinding
from findings.ingest import New
from findings.models import Finding
from notifications.matching import matches, tags_of
from notifications.models import OF_ACTIONS, Notice, Rule, Trigger
from storage import bulk
from storage.instants import human

_COLUMNS = [
    "rule_id",
    "event",
    "key",
    "trigger",
    "severity",
    "what",
    "account_id",
    "finding_pk",
    "reaction_pk",
    "about",
    "at",
    "ready_at",
    "told_as",
]
_Row = tuple[Any, ...]


def rules_of(*triggers: Trigger) -> list[Rule]:
    """Returns the rules with any of these triggers that are on."""
    return list(Rule.objects.present().filter(enabled=True, trigger__in=triggers).order_by("pk"))


@dataclass(frozen=True)
class OfFinding:
    """The facts of a finding that has arrived."""

    new: New

    @property
    def finding(self) -> Finding:
        return self.new.finding

    @property
    def account_id(self) -> str:
        return self.new.finding.account_id

    @cached_property
    def tags(self) -> Sequence[str]:
        return tags_of(self.finding)

    @property
    def entities(self) -> Iterable[str]:
        return [one.name for one in self.new.parsed.entities] if self.new.parsed else ()

    @property
    def key(self) -> str:
        """That of its repeats: of one type, entity, account and severity."""
        finding, parsed, _ = self.new
        entity = _entity(parsed) if parsed else finding.finding_id
        return digest(finding.finding_type, finding.account_id, finding.severity, entity)


@dataclass(frozen=True)
class OfAction:
    """The facts of an action."""

    reaction: Reaction

    @property
    def finding(self) -> Finding | None:
        return self.reaction.finding

    @property
    def account_id(self) -> str:
        return self.finding.account_id if self.finding else self.reaction.account_id

    @cached_property
    def tags(self) -> Sequence[str]:
        return tags_of(self.finding)

    @cached_property
    def entities(self) -> Iterable[str]:
        parsed = self.finding.parsed if self.finding else None
        return [self.reaction.target, *(one.name for one in (parsed.entities if parsed else ()))]


def _entity(parsed: ParsedFinding) -> str:
    """Returns the entity that repeats have in common: an actor, or else a resource."""
    actor = next((one for one in parsed.entities if one.is_actor), None)
    one = actor or next(iter(parsed.entities), None)
    return f"{one.kind}:{one.name}" if one else ""


def digest(*parts: str) -> str:
    """Returns a key of 40 characters."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:40]


def when_stored(sender: object, new: Sequence[New], updated: Sequence[New], **more: object) -> None:
    """Tells of findings, and of their actions that are prevented or wait."""
    rules = rules_of(Trigger.FINDING, Trigger.WAITING, Trigger.PREVENTED)
    if not rules:
        return
    rows: list[_Row] = []
    about_findings = [rule for rule in rules if rule.trigger == Trigger.FINDING]
    told = [(one, True) for one in new] + [(one, False) for one in updated]
    for one, is_new in told if about_findings else ():
        if one.parsed and one.parsed.set_aside:
            continue
        facts = OfFinding(one)
        event = f"finding:{one.finding.pk}" + ("" if is_new else f":{one.finding.count}")
        rows += [
            _finding_row(rule, facts, event)
            for rule in about_findings
            if (is_new or not rule.each) and matches(rule, facts)
        ]
    about_actions = [rule for rule in rules if rule.trigger != Trigger.FINDING]
    if about_actions and new:
        active = {one.finding.pk for one in new if not (one.parsed and one.parsed.set_aside)}
        reactions = Reaction.objects.filter(
            finding__in=active, state__in=[ActionState.WAITING, ActionState.PREVENTED]
        )
        rows += _of_actions(about_actions, reactions.select_related("finding").order_by("pk"))
    _insert(rows)


def when_settled(sender: object, pks: Collection[int], **more: object) -> None:
    """Tells of actions that were done, failed or were prevented, and of blocks that were lifted."""
    rules = rules_of(*OF_ACTIONS)
    if rules:
        reactions = Reaction.objects.filter(pk__in=pks).select_related("finding").order_by("pk")
        _insert(_of_actions(rules, reactions))


def when_tripped(sender: object, trip: Trip, **more: object) -> None:
    """Tells that the circuit breaker tripped."""
    tell(
        Trigger.BREAKER,
        event=f"breaker:{trip.pk}",
        key="breaker",
        at=trip.tripped_at,
        severity="CRITICAL",
        about={
            "title": "The circuit breaker tripped: containment has stopped",
            "text": f"The portal would have contained more than {trip.limit} targets within an"
            f" hour. It stopped on {human(trip.tripped_at)}, until an operator resets it.",
            "path": "/actions",
        },
    )


def tell(
    trigger: Trigger,
    *,
    event: str,
    key: str,
    at: datetime,
    severity: str,
    about: Mapping[str, str],
) -> None:
    """Tells of something in the portal, once for each `event`, to the rules of this trigger."""
    what, said = str(trigger.label), json.dumps(about)
    _insert(
        _row(rule, event=event, key=key, at=at, severity=severity, what=what, about=said)
        for rule in rules_of(trigger)
    )


def _row(
    rule: Rule,
    *,
    event: str,
    key: str,
    at: datetime,
    severity: str,
    what: str,
    account_id: str = "",
    finding_pk: int | None = None,
    reaction_pk: int | None = None,
    about: str = "{}",
) -> _Row:
    """Returns the columns of a notice, in the order of _COLUMNS."""
    return (
        rule.pk,
        event,
        key,
        rule.trigger,
        severity,
        what,
        account_id,
        finding_pk,
        reaction_pk,
        about,
        at,
        rule.ready_at(at),
        "",
    )


def _finding_row(rule: Rule, facts: OfFinding, event: str) -> _Row:
    finding = facts.finding
    return _row(
        rule,
        event=event,
        key=digest(event) if rule.each else facts.key,
        at=finding.received_at,
        severity=finding.severity,
        what=finding.finding_type,
        account_id=finding.account_id,
        finding_pk=finding.pk,
    )


def _of_actions(rules: Sequence[Rule], reactions: Iterable[Reaction]) -> Iterator[_Row]:
    at = timezone.now()
    for reaction in reactions:
        facts = OfAction(reaction)
        trigger = trigger_of(reaction)
        for rule in rules:
            if rule.trigger == trigger and matches(rule, facts):
                event = f"action:{reaction.pk}:{reaction.state}"
                yield _row(
                    rule,
                    event=event,
                    key=digest(event),
                    at=at,
                    severity=reaction.finding.severity if reaction.finding else "",
                    what=reaction.kind,
                    account_id=facts.account_id,
                    finding_pk=reaction.finding_id,
                    reaction_pk=reaction.pk,
                )


def trigger_of(reaction: Reaction) -> Trigger | None:
    """Returns what the state of an action means to rules; None if nothing."""
    if reaction.kind == ReactionKind.NOTIFY:
        return None
    undoes = reaction.kind in (ReactionKind.UNBLOCK, ReactionKind.RESTORE)
    return {
        ActionState.DONE.value: Trigger.LIFTED if undoes else Trigger.DONE,
        ActionState.FAILED.value: Trigger.FAILED,
        ActionState.PREVENTED.value: Trigger.PREVENTED,
        ActionState.WAITING.value: Trigger.WAITING,
    }.get(reaction.state)


def _insert(rows: Iterable[_Row]) -> None:
    bulk.insert(Notice, _COLUMNS, rows, ignore_conflicts=True)
