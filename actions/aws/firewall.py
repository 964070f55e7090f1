"""BLOCK and UNBLOCK: addresses in IP sets and prefix lists, domains in domain lists."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Protocol

import boto3

from actions import paths
from actions.aws import domain_lists, prefix_lists, wafv2
from actions.aws.outcome import ContainmentError, Outcome
from actions.models import Reaction, ReactionKind
from findings.guardduty.parser import Kind


class Apply(Protocol):
    """The type of the functions that change one path.

    They block and unblock names, and return those that failed, with the reasons.
    """

    def __call__(
        self, session: boto3.Session, *, blocked: Collection[str], unblocked: Collection[str]
    ) -> Mapping[str, ContainmentError]: ...


_APPLY: Mapping[paths.Path, Apply] = {
    paths.IP_SETS: wafv2.apply,
    paths.PREFIX_LISTS: prefix_lists.apply,
    paths.DOMAIN_LISTS: domain_lists.apply,
}


def carry_out(session: boto3.Session, reactions: Iterable[Reaction]) -> Iterator[Outcome]:
    """Blocks and unblocks the targets with one update per list, and yields the outcomes in order.

    The last reaction for a target decides. A block is done when every path that is set up for its
    kind of target has it.
    """
    reactions = list(reactions)
    left_out: dict[tuple[str, str], ContainmentError] = {}
    for kind in (Kind.ADDRESS, Kind.DOMAIN):
        last = {_name(one): one for one in reactions if one.target_kind == kind}
        blocked = {name for name, one in last.items() if one.kind == ReactionKind.BLOCK}
        used = [path for path in paths.PATHS if path.kind == kind and path.is_set_up]
        if not used:
            error = ContainmentError(paths.none_for(kind), prevented=True)
            left_out |= {(kind, name): error for name in last}
        for path in used if last else ():
            failed = _APPLY[path](session, blocked=blocked, unblocked=last.keys() - blocked)
            for name, error in failed.items():
                left_out.setdefault((kind, name), error)
    for reaction in reactions:
        error_or_none = left_out.get((reaction.target_kind, _name(reaction)))
        answer = str(error_or_none) if error_or_none else _done(reaction)
        yield Outcome(reaction, answer, error_or_none)


def _name(reaction: Reaction) -> str:
    if reaction.target_kind == Kind.ADDRESS:
        return str(ipaddress.ip_network(reaction.target))
    return reaction.target


def _done(reaction: Reaction) -> str:
    ours = [path for path in paths.PATHS if path.kind == reaction.target_kind]
    used = [path for path in ours if path.is_set_up]
    if reaction.kind == ReactionKind.UNBLOCK:
        return f"Removed from: {', '.join(path.name for path in used)}."
    said = [f"Added to {path.name}: {path.effect}" for path in used]
    said += [
        f"Not used: {path.name}; {path.setting} is not set." for path in ours if path not in used
    ]
    return " ".join(said)
