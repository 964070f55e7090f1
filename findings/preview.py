"""Previews how staged settings would have affected the findings of the last 30 days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Count

from findings import counts, policy
from findings.guardduty.entities import Kind
from findings.models import Action, Finding, Mention, ThreatPolicy
from findings.policy import Policy, Setting

DAYS = 30
NAMED = 20  # addresses listed by name
# Beyond these limits the preview says "more than", so that it takes less than a second.
MAX_FINDINGS = 10_000
MAX_KINDS = 1_000

# The actions whose differences the preview tells alike.
_FURTHER = [
    action for action in Action if action not in (Action.IGNORE, Action.REPORT, Action.BLOCK)
]

Kinds = Mapping[tuple[str, str], int]  # finding type and severity -> how many findings


class Addresses(NamedTuple):
    """Addresses of actors, those with the most findings first."""

    named: list[str]  # at most NAMED
    total: int
    is_all: bool  # False if there are more than `total`

    @property
    def in_words(self) -> str:
        """The number of addresses as text: "1 address", "more than 5 addresses"."""
        many = f"{self.total:,} address{'' if self.total == 1 else 'es'}"
        return many if self.is_all else f"more than {many}"

    @property
    def others(self) -> str:
        """The number of addresses not in `named`, as text; "" if there are none."""
        count = self.total - len(self.named)
        if not self.is_all:
            return f"more than {count:,} others"
        return f"{count:,} other{'' if count == 1 else 's'}" if count else ""


@dataclass(frozen=True, slots=True)
class Effect:
    """How many findings each action would have gained and lost."""

    gained: Mapping[str, int]
    lost: Mapping[str, int]
    newly_blocked: Kinds

    @property
    def findings(self) -> int:
        """The number of findings with another action."""
        return sum(self.gained.values())


@dataclass(frozen=True, slots=True)
class Preview:
    """The preview of staged settings, with its text for the page."""

    days: int
    findings: int  # total in the period
    effect: Effect
    addresses: Addresses  # of the findings that would newly be blocked
    is_partial: bool  # findings that were ignored on arrival are not stored, so not counted

    @property
    def heading(self) -> str:
        """The first sentence of the preview."""
        if not self.findings:
            return f"There were no findings in the last {self.days} days."
        if not self.effect.findings:
            return (
                "These changes would not have affected any findings in the last"
                f" {self.days} days ({self.findings:,} in total)."
            )
        return (
            f"Effect of these changes on findings in the last {self.days} days"
            f" ({self.findings:,} in total):"
        )

    def sentences(self) -> Iterator[str]:
        """Yields one sentence for each difference, the most important first."""
        gained, lost = self.effect.gained, self.effect.lost
        if count := gained.get(Action.BLOCK):
            origin = f", from {self.addresses.in_words}" if self.addresses.total else ""
            yield f"{count:,} more would have been blocked{origin}."
        if count := lost.get(Action.BLOCK):
            yield f"{count:,} would no longer have been blocked."
        if count := gained.get(Action.IGNORE):
            yield f"{count:,} would have been ignored instead of reported."
        if count := lost.get(Action.IGNORE):
            yield f"{count:,} that the current policy ignores would have been reported."
        for action in _FURTHER:
            if count := gained.get(action):
                yield f"{count:,} more would have had the action {action.label}."
            if count := lost.get(action):
                yield f"{count:,} would no longer have had the action {action.label}."


def preview(settings: Iterable[Setting], *, at: datetime, before: Policy | None = None) -> Preview:
    """Compares the policy with these settings, over the findings of DAYS days before `at`.

    The policy is `before`, or the saved one.
    """
    settings = list(settings)
    since = at - timedelta(days=DAYS)
    if before is None:
        before = ThreatPolicy.objects.actions()
    after = policy.with_settings(before, settings)
    kinds = counts.by_kind(since)
    changed = effect(kinds, before, after)
    return Preview(
        days=DAYS,
        findings=sum(kinds.values()),
        effect=changed,
        addresses=_addresses(changed.newly_blocked, since),
        is_partial=_uncovers(settings, before, after),
    )


def effect(kinds: Kinds, before: Policy, after: Policy) -> Effect:
    """Returns the differences in action between two policies for these findings."""
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
    """Returns whether a setting stops ignoring a target, whose ignored findings were not stored."""
    return any(
        policy.resolve(before, **target._asdict()).action == Action.IGNORE
        and policy.resolve(after, **target._asdict()).action != Action.IGNORE
        for target, _ in settings
    )


def _addresses(kinds: Kinds, since: datetime) -> Addresses:
    if not kinds:
        return Addresses([], 0, is_all=True)
    largest = Counter(kinds).most_common(MAX_KINDS)
    findings = Finding.objects.seen_since(since).of_kinds(kind for kind, _ in largest)
    # Filter by kind in Python: in the query, it makes SQLite start with every address.
    rows = list(
        Mention.objects.filter(is_actor=True, finding__in=findings.values("pk")[:MAX_FINDINGS])
        .values_list("entity__kind", "entity__name")
        .annotate(count=Count("*"))
        .order_by("-count", "entity__name")[:MAX_FINDINGS]
    )
    names = [name for kind, name, _ in rows if kind == Kind.ADDRESS]
    is_all = sum(kinds.values()) <= MAX_FINDINGS > len(rows) and len(kinds) <= MAX_KINDS
    return Addresses(names[:NAMED], len(names), is_all)
