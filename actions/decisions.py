"""Decides which actions to take on new findings, and stores them. Carries out none."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

from django.conf import settings
from django.utils import timezone

from actions import containment, limits, safeguards
from actions.models import CONTAINMENT, Allowance, Reaction, ReactionKind, State
from actions.safeguards import Network
from findings.catalogue import service_of
from findings.guardduty.parser import Kind, ParsedFinding
from findings.ingest import New
from findings.models import Action, Finding
from storage import bulk

# For findings about IAM credentials, BLOCK also revokes.
_ABOUT_CREDENTIALS = {"IAM"}
_REVOCABLE = {Kind.ACCESS_KEY, Kind.ROLE}
APPROVED_WITHIN = timedelta(days=1)
_ALLOWED = "Reported only: {} is on the allowlist for {}."


class Wish(NamedTuple):
    """An action that the policy requires."""

    kind: ReactionKind
    target_kind: str
    target: str
    prevented: str = ""  # the reason if a safeguard or the allowlist prevents it

    @property
    def is_limited(self) -> bool:
        """Whether it has an end: BLOCK_FOR limits blocks."""
        return self.kind == ReactionKind.BLOCK and not self.prevented


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings and the allowlist that decisions depend on, read once per batch."""

    allowed: Collection[tuple[str, str, str]]  # entity kind, entity name, finding type
    never_block: list[Network]
    is_dry_run: bool
    topic: str

    @classmethod
    def now(cls) -> Self:
        """Reads the current settings and allowlist. Raises ValueError if NEVER_BLOCK is invalid."""
        at = timezone.now()
        return cls(
            allowed=frozenset(
                Allowance.objects.in_force(at).values_list("kind", "name", "finding_type")
            ),
            never_block=safeguards.never_block(),
            is_dry_run=not containment.is_acting(at),
            topic=settings.NOTIFY_TOPIC_ARN,
        )


def decide(new: Iterable[New], *, rules: Rules, at: datetime) -> None:
    """Stores the actions for each new finding. `at` is the time of the decision."""
    wishes = [
        (finding, wish, trace)
        for finding, parsed, trace in new
        for wish in _unless_set_aside(parsed, _wishes(finding, parsed, rules))
    ]
    blocked = {
        wish.target
        for finding, wish, _ in wishes
        if wish.is_limited and not Action(finding.action).asks
    }
    ends = limits.ends(blocked, at=at, is_dry_run=rules.is_dry_run) if blocked else {}
    bulk.insert(
        Reaction,
        _COLUMNS,
        (
            _row(
                finding, wish, rules, at, trace, ends.get(wish.target) if wish.is_limited else None
            )
            for finding, wish, trace in wishes
        ),
    )


_COLUMNS = [
    "finding_id",
    "kind",
    "target_kind",
    "target",
    "why",
    "state",
    "outcome",
    "decided_at",
    "due_at",
    "settled_at",
    "requested_by_name",
    "trace",
    "client_id",
    "request_key",
    "request_digest",
    "ends_at",
    "lifts_at",
]


def _row(
    finding: Finding,
    wish: Wish,
    rules: Rules,
    at: datetime,
    trace: str,
    ends_at: datetime | None,
) -> tuple[Any, ...]:
    state, outcome = State.PENDING, ""
    if wish.prevented:
        state, outcome = State.PREVENTED, wish.prevented
    elif Action(finding.action).asks and wish.kind in CONTAINMENT:
        state, ends_at = State.WAITING, None
    elif rules.is_dry_run:
        state, outcome = State.DRY_RUN, containment.NOTHING_DONE
    due_at = {State.PENDING: at, State.WAITING: at + APPROVED_WITHIN}.get(state)
    why = f"is set for {finding.set_at}" if finding.set_at else "by default"
    return (
        finding.pk,
        wish.kind.value,
        str(wish.target_kind),
        wish.target,
        f"{finding.action} {why}.",
        state.value,
        outcome,
        at,
        due_at,
        None if due_at else at,
        "",
        trace,
        "",
        "",
        "",
        ends_at,
        ends_at,
    )


def _unless_set_aside(parsed: ParsedFinding | None, wishes: Iterable[Wish]) -> Iterator[Wish]:
    """Yields the wishes, prevented if GuardDuty or Security Hub set the finding aside."""
    reason = parsed.set_aside if parsed else ""
    for wish in wishes:
        yield wish._replace(prevented=reason) if reason and not wish.prevented else wish


def _wishes(finding: Finding, parsed: ParsedFinding | None, rules: Rules) -> Iterator[Wish]:
    if parsed:
        action = Action(finding.action).once_approved
        blocks = action == Action.BLOCK
        if blocks:
            yield from _blocks(parsed, rules)
        if action == Action.REVOKE or (
            blocks and service_of(finding.finding_type) in _ABOUT_CREDENTIALS
        ):
            yield from _revocations(parsed, rules)
    if finding.action == Action.SAVE:
        yield Wish(ReactionKind.SAVE, "finding", _object_key(finding))
    if rules.topic:  # last: the message lists the other actions
        yield Wish(ReactionKind.NOTIFY, "topic", rules.topic)


def _blocks(parsed: ParsedFinding, rules: Rules) -> Iterator[Wish]:
    if not parsed.addresses:
        yield Wish(ReactionKind.BLOCK, Kind.ADDRESS, "", "The finding names no actor address.")
    targets = [(Kind.ADDRESS.value, said.address) for said in parsed.addresses]
    for kind, address in targets:
        prevented = _allowed(kind, address, parsed, rules) or safeguards.against_blocking(
            address, parsed, never=rules.never_block
        )
        yield Wish(ReactionKind.BLOCK, kind, address, prevented)


def _revocations(parsed: ParsedFinding, rules: Rules) -> Iterator[Wish]:
    actors = [(one.kind.value, one.name) for one in parsed.entities if one.is_actor]
    targets = [actor for actor in actors if _can_be_revoked(*actor)]
    if not targets:
        yield Wish(ReactionKind.REVOKE, Kind.ACCESS_KEY, "", "The finding names no credential.")
    for kind, name in targets:
        prevented = _allowed(kind, name, parsed, rules) or safeguards.against_revoking(
            kind, name, parsed
        )
        yield Wish(ReactionKind.REVOKE, kind, name, prevented)


def prevented_by_hand(
    kind: ReactionKind, target_kind: str, target: str, parsed: ParsedFinding | None, rules: Rules
) -> str:
    """Returns why an action that a person requests is prevented, or "".

    The safeguards and the allowlist are those of the policy. Without a finding (`parsed`), those
    apply that need none.
    """
    if parsed is None:
        if (target_kind, target, "") in rules.allowed:
            return _ALLOWED.format(target, "every finding type")
        return safeguards.against_any_block(target, own=frozenset(), never=rules.never_block)
    if allowed := _allowed(target_kind, target, parsed, rules):
        return allowed
    if kind == ReactionKind.BLOCK:
        return safeguards.against_blocking(target, parsed, never=rules.never_block)
    return safeguards.against_revoking(target_kind, target, parsed)


def _can_be_revoked(kind: str, name: str) -> bool:
    return kind in _REVOCABLE or (kind, name) == (Kind.USER, "Root")


def _allowed(kind: str, name: str, parsed: ParsedFinding, rules: Rules) -> str:
    """Returns why the allowlist exempts this target, or "".

    An entry matches the target itself, or another entity of the finding that cannot be a target,
    such as an instance or a user. An allowed address does not exempt other addresses.
    """
    if not rules.allowed:
        return ""
    sparing = [(kind, name)] + [
        (one.kind.value, one.name)
        for one in parsed.entities
        if one.kind not in {Kind.ADDRESS, *_REVOCABLE}
    ]
    for spared, by in sparing:
        for finding_type in (parsed.finding_type, ""):
            if (spared, by, finding_type) in rules.allowed:
                return _ALLOWED.format(by, finding_type or "every finding type")
    return ""


def _object_key(finding: Finding) -> str:
    """Returns account/region/yyyy/mm/dd/id.json, with the UTC day of the last sighting."""
    parts: Sequence[str] = [
        finding.account_id or "unknown-account",
        finding.region or "unknown-region",
        *f"{finding.seen_at:%Y/%m/%d}".split("/"),
        f"{finding.finding_id}.json",
    ]
    # An attacker can control IDs, so replace characters that would change the folder.
    return "/".join(re.sub(r"[^A-Za-z0-9_.=-]|^\.+", "_", part) for part in parts)
