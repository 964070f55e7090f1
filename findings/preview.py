"""What staged settings would have done to the findings of the last days, before they are saved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Count

from findings import policy
from findings.guardduty.entities import Kind
from findings.models import Action, Finding, Mention, ThreatPolicy
from findings.policy import Policy, Setting

DAYS = 30
NAMED = 20  # addresses
# Whoever blocks more than this wants to know that it is very many, within a second.
MAX_FINDINGS = 10_000
MAX_KINDS = 1_000

Kinds = Mapping[tuple[str, str], int]  # finding type and severity -> how many findings


class Addresses(NamedTuple):
    """Of those who acted; those of the most findings first."""

    named: list[str]
    total: int
    is_all: bool  # else there are more than `total`

    @property
    def in_words(self) -> str:
        many = f"{self.total:,} address{'' if self.total == 1 else 'es'}"
        return many if self.is_all else f"more than {many}"

    @property
    def others(self) -> str:
        """How many are not named; "" where all are."""
        count = self.total - len(self.named)
        if not self.is_all:
            return f"more than {count:,} others"
        return f"{count:,} other{'' if count == 1 else 's'}" if count else ""


@dataclass(frozen=True, slots=True)
class Effect:
    """How many findings would have come to an action, and how many would have left it."""

    gained: Mapping[str, int]
    lost: Mapping[str, int]
    newly_blocked: Kinds

    @property
    def findings(self) -> int:
        return sum(self.gained.values())


@dataclass(frozen=True, slots=True)
class Preview:
    days: int
    findings: int  # that there were
    effect: Effect
    addresses: Addresses
    is_partial: bool  # findings that were ignored when they arrived are not there to be counted

    @property
    def heading(self) -> str:
        if not self.findings:
            return f"No finding was seen in the last {self.days} days."
        if not self.effect.findings:
            return (
                f"No finding of the last {self.days} days would have been treated differently"
                f" ({self.findings:,} in all)."
            )
        return (
            f"Of the findings of the last {self.days} days ({self.findings:,} in all),"
            " with these changes:"
        )

    def sentences(self) -> Iterator[str]:
        """What would have been otherwise, what weighs most first."""
        gained, lost = self.effect.gained, self.effect.lost
        if count := gained.get(Action.BLOCK):
            origin = f", from {self.addresses.in_words}" if self.addresses.total else ""
            yield f"{count:,} more would have been blocked{origin}."
        if count := lost.get(Action.BLOCK):
            yield f"{count:,} would no longer have been blocked."
        if count := gained.get(Action.IGNORE):
            yield f"{count:,} would have been ignored, and no longer reported."
        if count := lost.get(Action.IGNORE):
            yield f"{count:,} that are ignored now would have been reported."
        for action in (Action.REVOKE, Action.SAVE):
            if count := gained.get(action):
                yield f"{count:,} more would have been answered by {action.label}."
            if count := lost.get(action):
                yield f"{count:,} would no longer have been answered by {action.label}."


def preview(settings: Iterable[Setting], *, at: datetime) -> Preview:
    """The saved policy beside the one with these settings, over the findings until `at`."""
    settings = list(settings)
    since = at - timedelta(days=DAYS)
    before = ThreatPolicy.objects.actions()
    after = with_settings(before, settings)
    kinds = _kinds(since)
    changed = effect(kinds, before, after)
    return Preview(
        days=DAYS,
        findings=sum(kinds.values()),
        effect=changed,
        addresses=_addresses(changed.newly_blocked, since),
        is_partial=_uncovers(settings, before, after),
    )


def with_settings(saved: Policy, settings: Iterable[Setting]) -> Policy:
    """The policy as it would be with these settings saved."""
    after = dict(saved)
    for target, action in settings:
        if action:
            after[target] = action
        else:
            after.pop(target, None)
    return after


def effect(kinds: Kinds, before: Policy, after: Policy) -> Effect:
    """What the second policy makes of the findings otherwise than the first."""
    gained, lost, newly_blocked = Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    for (finding_type, severity), count in kinds.items():
        was, is_now = (
            policy.resolve(settings, finding_type=finding_type, severity=severity).action
            for settings in (before, after)
        )
        if was == is_now:
            continue
        lost[was] += count
        gained[is_now] += count
        if is_now == Action.BLOCK:
            newly_blocked[finding_type, severity] = count
    return Effect(gained, lost, newly_blocked)


def _uncovers(settings: Iterable[Setting], before: Policy, after: Policy) -> bool:
    """Whether something is no longer ignored: of that, the database knows only what came before."""
    return any(
        policy.resolve(before, **target._asdict()).action == Action.IGNORE
        and policy.resolve(after, **target._asdict()).action != Action.IGNORE
        for target, _ in settings
    )


def _kinds(since: datetime) -> Kinds:
    rows = Finding.objects.seen_since(since).values_list("finding_type", "severity")
    return {
        (finding_type, severity): count
        for finding_type, severity, count in rows.annotate(count=Count("*"))
    }


def _addresses(kinds: Kinds, since: datetime) -> Addresses:
    if not kinds:
        return Addresses([], 0, is_all=True)
    largest = Counter(kinds).most_common(MAX_KINDS)
    findings = Finding.objects.seen_since(since).of_kinds(kind for kind, _ in largest)
    # The kind is looked at here: in the query it lures SQLite into beginning with every address.
    rows = list(
        Mention.objects.filter(is_actor=True, finding__in=findings.values("pk")[:MAX_FINDINGS])
        .values_list("entity__kind", "entity__name")
        .annotate(count=Count("*"))
        .order_by("-count", "entity__name")[:MAX_FINDINGS]
    )
    names = [name for kind, name, _ in rows if kind == Kind.ADDRESS]
    is_all = sum(kinds.values()) <= MAX_FINDINGS > len(rows) and len(kinds) <= MAX_KINDS
    return Addresses(names[:NAMED], len(names), is_all)
