"""Which actions the policy requires for a finding, and what prevents each. Stores none."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from django.utils import timezone

from actions import containment, members, paths, safeguards
from actions.models import BUCKET_USE, WITH_AN_END, Allowance, ReactionKind
from actions.safeguards import Network
from findings.catalogue import service_of
from findings.guardduty.parser import BucketUse, Kind, ParsedFinding
from findings.models import Action, Finding

# For findings about IAM credentials, BLOCK also revokes.
_ABOUT_CREDENTIALS = {"IAM"}
_REVOCABLE = {Kind.ACCESS_KEY, Kind.ROLE}
# Revoking one of these revokes the role behind it. A task before the cluster that it runs in.
_WITH_A_ROLE = (Kind.FUNCTION, Kind.TASK, Kind.CLUSTER)
_ALLOWED = "Reported only: {} is on the allowlist for {}."


class Wish(NamedTuple):
    """An action that the policy requires."""

    kind: ReactionKind
    target_kind: str
    target: str
    prevented: str = ""  # the reason if a safeguard or the allowlist prevents it
    not_set_up: str = ""  # what is missing if no path that is set up does it

    @property
    def is_limited(self) -> bool:
        """Whether it has an end: BLOCK_FOR limits blocks."""
        return self.kind in WITH_AN_END and not self.prevented


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings and the allowlist that decisions depend on, read once per batch."""

    allowed: Collection[tuple[str, str, str]]  # entity kind, entity name, finding type
    never_block: list[Network]
    is_dry_run: bool

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
        )


def required(finding: Finding, parsed: ParsedFinding | None, rules: Rules) -> Iterator[Wish]:
    """Yields what the policy requires, prevented if GuardDuty or Security Hub set it aside."""
    reason = parsed.set_aside if parsed else ""
    for wish in _of_the_policy(finding, parsed, rules):
        yield wish._replace(prevented=reason) if reason and not wish.prevented else wish


def _of_the_policy(finding: Finding, parsed: ParsedFinding | None, rules: Rules) -> Iterator[Wish]:
    action = Action(finding.action).in_earnest
    if parsed:
        blocks = action == Action.BLOCK
        if blocks:
            yield from _blocks(parsed, rules)
        if action == Action.REVOKE or (
            blocks and service_of(finding.finding_type) in _ABOUT_CREDENTIALS
        ):
            yield from _revocations(parsed, rules)
    if action == Action.SAVE:
        yield Wish(ReactionKind.SAVE, "finding", _object_key(finding))


def _blocks(parsed: ParsedFinding, rules: Rules) -> Iterator[Wish]:
    found = list(_blockable(parsed, rules))
    yield from found or [Wish(ReactionKind.BLOCK, Kind.ADDRESS, "", _nothing_to_block(parsed))]


def _nothing_to_block(parsed: ParsedFinding) -> str:
    """Returns why BLOCK does nothing, and what helps."""
    told = "The finding names no actor address, no domain and no own instance that acted."
    if parsed.acting_instances:
        told = (
            "The finding is about a container. Its node, which can run other containers, is not"
            " isolated."
        )
    if service_of(parsed.finding_type) in _ABOUT_CREDENTIALS:
        return told  # BLOCK revokes too
    named = ", ".join(f"the {kind} {name}" for kind, name in _credentials(parsed))
    return f"{told} Use REVOKE for {named}." if named else told


def _blockable(parsed: ParsedFinding, rules: Rules) -> Iterator[Wish]:
    for said in parsed.addresses:
        yield contain(ReactionKind.BLOCK, Kind.ADDRESS, said.address, parsed, rules)
    for domain in parsed.domains:
        yield contain(ReactionKind.BLOCK, Kind.DOMAIN, domain, parsed, rules)
    for use in parsed.bucket_uses:
        yield contain(ReactionKind.DENY, BUCKET_USE, str(use), parsed, rules)
    # A finding about a container names the node that it runs on, with the containers of others.
    if not any(one.kind in {Kind.CLUSTER, Kind.TASK} for one in parsed.entities):
        for instance in parsed.acting_instances:
            yield contain(ReactionKind.ISOLATE, Kind.INSTANCE, instance, parsed, rules)


def contain(
    kind: ReactionKind, target_kind: str, target: str, parsed: ParsedFinding, rules: Rules
) -> Wish:
    """Returns the containment of a target, with the reason if something prevents it.

    The allowlist, the safeguards and the paths that are set up apply, whoever asks for it.
    """
    prevented = _allowed(target_kind, target, parsed, rules)
    not_set_up = ""
    if kind == ReactionKind.REVOKE:
        prevented = prevented or safeguards.against_revoking(target_kind, target, parsed)
    elif kind == ReactionKind.ISOLATE:
        prevented = prevented or safeguards.against_isolating(parsed)
        not_set_up = "" if paths.ISOLATION.is_set_up else paths.none_for(Kind.INSTANCE)
    elif kind == ReactionKind.DENY:
        use = BucketUse.of(target)
        prevented = (
            prevented
            or members.against_account(parsed.account_id)
            or safeguards.against_denying_actor(parsed)
            or safeguards.against_denying(use)
        )
        not_set_up = "" if paths.BUCKET_POLICIES.is_set_up else paths.none_for(Kind.BUCKET)
    elif target_kind == Kind.DOMAIN:
        prevented = prevented or safeguards.against_blocking_domain(target)
        not_set_up = "" if paths.DOMAIN_LISTS.is_set_up else paths.none_for(Kind.DOMAIN)
    else:
        prevented = prevented or safeguards.against_blocking(
            target, parsed, never=rules.never_block
        )
        not_set_up = paths.against_address(target, parsed)
    return Wish(kind, target_kind, target, prevented, not_set_up)


def _revocations(parsed: ParsedFinding, rules: Rules) -> Iterator[Wish]:
    targets = _credentials(parsed)
    if not targets:
        yield Wish(ReactionKind.REVOKE, Kind.ACCESS_KEY, "", "The finding names no credential.")
    for kind, name in targets:
        yield contain(ReactionKind.REVOKE, kind, name, parsed, rules)


def _credentials(parsed: ParsedFinding) -> list[tuple[str, str]]:
    """Returns the kinds and names of the credentials that acted.

    An IAM user is named by its key, if the finding names one. If it names no credential, the role
    behind its resource is one.
    """
    actors = [(one.kind.value, one.name) for one in parsed.entities if one.is_actor]
    has_key = any(kind == Kind.ACCESS_KEY and name.startswith("AKIA") for kind, name in actors)
    has_no_such_key = {"Root", *(one.name for one in parsed.federated)}
    found = [
        (kind, name)
        for kind, name in actors
        if kind in _REVOCABLE or (kind == Kind.USER and (not has_key or name in has_no_such_key))
    ]
    for kind in _WITH_A_ROLE:
        found = found or [(kind.value, one.name) for one in parsed.entities if one.kind == kind]
    return found


def prevented_by_hand(
    kind: ReactionKind, target_kind: str, target: str, parsed: ParsedFinding | None, rules: Rules
) -> str:
    """Returns why an action that a person requests is prevented, or "".

    The safeguards, the allowlist and the paths are those of the policy. Without a finding
    (`parsed`), those apply that need none.
    """
    if parsed:
        wish = contain(kind, target_kind, target, parsed, rules)
        return wish.prevented or ("" if rules.is_dry_run else wish.not_set_up)
    if (target_kind, target, "") in rules.allowed:
        return _ALLOWED.format(target, "every finding type")
    if target_kind == Kind.DOMAIN:
        prevented = safeguards.against_blocking_domain(target)
    else:
        prevented = safeguards.against_any_block(target, own=frozenset(), never=rules.never_block)
    ours = [path for path in paths.PATHS if path.kind == target_kind]
    if not prevented and not rules.is_dry_run and not any(path.is_set_up for path in ours):
        prevented = paths.none_for(Kind(target_kind))
    return prevented


def _allowed(kind: str, name: str, parsed: ParsedFinding, rules: Rules) -> str:
    """Returns why the allowlist exempts this target, or "".

    An entry matches the target itself, or another entity of the finding that cannot be a target,
    such as an instance or a user. An allowed address does not exempt other addresses. Of the use
    of a bucket, each credential of the finding is that of its actor.
    """
    if not rules.allowed:
        return ""
    others = {Kind.ADDRESS, Kind.DOMAIN}
    if kind != BUCKET_USE:
        others |= _REVOCABLE
    sparing = [(kind, name)] + [
        (one.kind.value, one.name) for one in parsed.entities if one.kind not in others
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
